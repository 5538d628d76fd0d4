# One file for all services: docker build --build-arg SERVICE=gateway .   (or worker, ledger, model)
#
# A service gets its own dependencies only, in the versions and with the hashes of requirements.lock; so does what
# builds it, which stays behind in the first stage.
ARG SERVICE=gateway

FROM python:3.13-slim AS build
ARG SERVICE
WORKDIR /src
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 UV_NO_CACHE=1 UV_LINK_MODE=copy
COPY requirements.lock pyproject.toml ./
RUN python -m venv /tools \
 && sed -n '/^uv==/,/[^\\]$/p' requirements.lock >uv.lock \
 && /tools/bin/pip install -q --require-hashes -r uv.lock \
 && echo hatchling >tools.in \
 && /tools/bin/uv pip compile -q --no-header -c requirements.lock tools.in -o tools.txt \
 && /tools/bin/uv pip install -q -p /tools --require-hashes -c requirements.lock -r tools.txt \
 && /tools/bin/uv venv -q -p "$(command -v python)" /app
COPY shared/pyproject.toml shared/
COPY services/gateway/pyproject.toml services/gateway/
COPY services/worker/pyproject.toml services/worker/
COPY services/ledger/pyproject.toml services/ledger/
RUN case $SERVICE in \
      model) wanted="shared/pyproject.toml --extra local --extra service" ;; \
      worker) wanted="services/worker/pyproject.toml otlp.in --extra bedrock --extra vertex" ;; \
      *) wanted="services/$SERVICE/pyproject.toml otlp.in" ;; \
    esac \
 && echo opentelemetry-exporter-otlp-proto-grpc >otlp.in \
 && /tools/bin/uv pip compile -q --no-header -c requirements.lock --no-emit-package warren $wanted -o wanted.txt \
 && /tools/bin/uv pip install -q -p /app --compile-bytecode --require-hashes -c requirements.lock -r wanted.txt
COPY shared shared
COPY services services
RUN members=shared \
 && if [ "$SERVICE" != model ]; then members="shared services/$SERVICE"; fi \
 && for member in $members; do (cd $member && /tools/bin/python -m hatchling build -t wheel -d /wheels >/dev/null); done \
 && /tools/bin/uv pip install -q -p /app --compile-bytecode --no-deps /wheels/*.whl

FROM python:3.13-slim AS base
ENV PATH=/app/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /app
COPY deploy/health.py /app/health.py
COPY --from=build /app /app
USER 10001:10001
STOPSIGNAL SIGTERM

FROM base AS run-gateway
ENV WARREN_HOST=0.0.0.0 WARREN_PORT=4000
EXPOSE 4000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["python", "-I", "/app/health.py", "http", "4000", "/health/readiness"]
CMD ["python", "-m", "warren_gateway"]

FROM base AS run-worker
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["python", "-I", "/app/health.py", "bus"]
CMD ["python", "-m", "warren_worker"]

FROM base AS run-ledger
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["python", "-I", "/app/health.py", "bus"]
CMD ["python", "-m", "warren_ledger"]

FROM base AS run-model
USER root
RUN apt-get update -qq \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends libgomp1 >/dev/null \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/*
USER 10001:10001
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["python", "-I", "/app/health.py", "http", "8080", "/health"]
CMD ["python", "-m", "warren.local_model", "--host", "0.0.0.0", "--port", "8080"]

FROM run-${SERVICE}
