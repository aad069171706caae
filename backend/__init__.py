"""The WWMAA backend: members, sign-in, subscriptions and payments of a martial-arts association; ukemi's reference application."""
