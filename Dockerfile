# A worker that makes videos, and the image of the runs of a Docker, Kubernetes or ECS work pool. In the repository's root:
#
#   docker build -t seedance .
#   docker run --init --stop-timeout 60 -e PREFECT_API_URL=... -e PREFECT_API_KEY=... seedance
#
# It needs no other system package: PyAV brings its libraries. Keys and videos are not in it: credentials are saved
# blocks or variables of the environment, and the store is a bucket, since a folder in here vanishes with the container.
# The pool's own package (prefect-docker, prefect-kubernetes) belongs to the worker of that pool, wherever it runs.

FROM python:3.13-slim AS build
RUN pip install --no-cache-dir uv
COPY pyproject.toml constraints.txt README.md LICENSE /source/
COPY prefect_seedance /source/prefect_seedance
# Compiled here, since its user may not write there. What was downloaded stays in the builder's cache.
RUN --mount=type=cache,target=/root/.cache/uv \
    uv venv --python python3 /opt/seedance \
    && uv pip install --link-mode copy --compile-bytecode -p /opt/seedance -c /source/constraints.txt "/source[media,aws]"

FROM python:3.13-slim
RUN useradd --create-home --uid 10001 worker
COPY --from=build /opt/seedance /opt/seedance
ENV PATH="/opt/seedance/bin:$PATH" \
    PYTHONUNBUFFERED=1
USER worker
WORKDIR /home/worker
# The worker says there that it polls its pool. A run has no server: Prefect starts it with a command of its own.
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/health', timeout=5)"]
CMD ["prefect", "worker", "start", "--pool", "seedance", "--install-policy", "never", "--with-healthcheck"]
