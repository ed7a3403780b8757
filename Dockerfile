# syntax=docker/dockerfile:1.7
# Wetread's web server and worker. Serving only: no compiler, no tensorflow.
#   docker build -t wetread .                         CPU
#   docker build -t wetread:gpu --build-arg VARIANT=gpu .   NVIDIA GPU (run with --gpus all)
# Run with a read-only root file system:
#   docker run --read-only --tmpfs /tmp -v wetread-data:/data -v ./wetread.toml:/etc/wetread/wetread.toml:ro \
#              -v ./secrets:/run/secrets:ro -p 8000:8000 wetread

ARG VARIANT=cpu

FROM python:3.11-slim-bookworm AS build
ARG VARIANT
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
RUN python -m venv /opt/venv
COPY requirements/serve.txt requirements/gpu.txt requirements/
RUN /opt/venv/bin/pip install --require-hashes --only-binary :all: -r requirements/serve.txt
# onnxruntime and onnxruntime-gpu share one import name: one of them only.
RUN if [ "$VARIANT" = gpu ]; then \
      /opt/venv/bin/pip uninstall --yes onnxruntime && \
      /opt/venv/bin/pip install --require-hashes --only-binary :all: --no-deps -r requirements/gpu.txt; \
    fi
COPY pyproject.toml README.md LICENSE ./
COPY smart_launch smart_launch
COPY inference inference
COPY plugin plugin
COPY training/__init__.py training/
COPY sandbox/__init__.py sandbox/
COPY fhir_examples fhir_examples
RUN /opt/venv/bin/pip install --no-deps --no-build-isolation . \
 && /opt/venv/bin/pip uninstall --yes pip hatchling editables

FROM python:3.11-slim-bookworm
LABEL org.opencontainers.image.title="Wetread" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.description="Preliminary AI reading of chest images; research and demonstration only"
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    WETREAD_CONFIG=/etc/wetread/wetread.toml \
    WETREAD_DATA_DIR=/data \
    WETREAD_BIND=0.0.0.0:8000
RUN groupadd --system --gid 10001 wetread \
 && useradd --system --uid 10001 --gid 10001 --home-dir /data --shell /usr/sbin/nologin wetread \
 && install -d -o wetread -g wetread -m 0700 /data
COPY --from=build /opt/venv /opt/venv
USER 10001:10001
VOLUME ["/data"]
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=4s --start-period=30s --retries=3 \
  CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/healthz', timeout=3)"]
ENTRYPOINT ["wetread"]
CMD ["serve"]
