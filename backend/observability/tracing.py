"""OpenTelemetry's spans, beside error tracking and independent of it; both give the same request the same trace id."""

import sentry_sdk
from fastapi import FastAPI
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator


class _SharedTraceIds(RandomIdGenerator):
    """A request that nobody traced before gets the trace id that its errors have."""

    def generate_trace_id(self) -> int:
        shared = sentry_sdk.get_traceparent() if sentry_sdk.get_client().is_active() else None
        return int(shared.split("-")[0], 16) if shared else super().generate_trace_id()


def trace(app: FastAPI, endpoint: str, *, service: str, release: str | None, environment: str) -> TracerProvider:
    """Send a span for each request to `endpoint`. Call it before `init_sentry`: the outer one gives the trace its id."""
    resource = {"service.name": service, "service.version": release or "", "deployment.environment.name": environment}
    provider = TracerProvider(resource=Resource.create(resource), id_generator=_SharedTraceIds())
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint.rstrip("/") + "/v1/traces")))
    FastAPIInstrumentor.instrument_app(app, tracer_provider=provider)
    return provider
