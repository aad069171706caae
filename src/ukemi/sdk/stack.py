"""An app's middleware stack with ours around it. Imported for Starlette's apps only, so it may import Starlette."""

from starlette.middleware.errors import ServerErrorMiddleware

from ukemi.sdk.middleware import App, Receive, Scope, Send, UkemiMiddleware


class TrackedStack(ServerErrorMiddleware):
    """
    What an app's `build_middleware_stack` gives once it is tracked.

    It is a `ServerErrorMiddleware`, as Starlette's own stack is, since OpenTelemetry takes that apart and passes over an app whose
    stack is anything else. So either may be set up first.
    """

    def __init__(self, stack: App) -> None:
        super().__init__(UkemiMiddleware(stack))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)
