"""How numbers read in sentences: of explanations, in notifications and on pages."""


def duration(seconds: float) -> str:
    """`90 seconds`, `5 minutes`, `2 hours`, `7 days`."""
    if seconds < 120:
        return f"{seconds:.0f} seconds"
    if seconds < 7200:
        return f"{seconds / 60:.0f} minutes"
    if seconds < 172_800:
        return f"{seconds / 3600:.0f} hours"
    return f"{seconds / 86_400:.0f} days"


def percent(share: float) -> str:
    """`5 %`, `4.2 %`, `0.03 %`."""
    return f"{share * 100:.3g} %"
