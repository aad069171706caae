"""Errors of a domain, and performance by hand: as ukemi's SDK layer has them."""

import ukemi.sdk

start_span = ukemi.sdk.start_span
start_transaction = ukemi.sdk.start_transaction
track_api_error = ukemi.sdk.track_api_error
track_auth_error = ukemi.sdk.track_auth_error
track_database_error = ukemi.sdk.track_database_error
track_payment_error = ukemi.sdk.track_payment_error
track_subscription_error = ukemi.sdk.track_subscription_error
