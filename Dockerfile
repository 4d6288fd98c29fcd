# Targets: api (serving only), ui, worker (flows and training), mlflow.
#   docker build --target api -t dandelion-api .
# BASE needs Python 3.11 or newer with its venv module; BUILD_BASE is the same and may hold binutils already.
# For the worker, TORCH_INDEX: another index of torch's wheels, as the one for CPUs only, which spares 5 GB;
# WORKER_EXTRAS: a worker that runs no training can do without `train`.
ARG BASE=docker.io/library/python:3.12.12-slim-bookworm
ARG BUILD_BASE=${BASE}

FROM ${BASE} AS base
# Any other user of group 0 may take the place of ours, as on OpenShift; USER is for programs that ask for its name.
RUN echo 'dandelion:x:10001:10001::/data:/usr/sbin/nologin' >> /etc/passwd \
 && echo 'dandelion:x:10001:' >> /etc/group \
 && mkdir /data && chown 10001:0 /data && chmod 2775 /data
# The root may be read-only: what is written goes to /data, which is kept, and to /tmp, which is not.
ENV PATH=/opt/dandelion/bin:/app/bin:$PATH \
    HOME=/data \
    USER=dandelion \
    DANDELION_HOME=/data \
    XDG_CACHE_HOME=/tmp/.cache \
    MPLCONFIGDIR=/tmp/matplotlib \
    NUMBA_CACHE_DIR=/tmp/numba \
    TORCHINDUCTOR_CACHE_DIR=/tmp/torchinductor \
    GRADIO_TEMP_DIR=/tmp/gradio \
    GRADIO_ANALYTICS_ENABLED=False \
    HF_HUB_DISABLE_TELEMETRY=1 \
    MLFLOW_DISABLE_TELEMETRY=true \
    PREFECT_SERVER_ANALYTICS_ENABLED=false \
    PYTHONUNBUFFERED=1
WORKDIR /build
COPY docker/install.py constraints.txt ./

# Built apart, so that pip, binutils and the source's copy stay out of the images.
FROM ${BUILD_BASE} AS build
# Whatever strip there is does, and none of it stays.
# hadolint ignore=DL3008
RUN command -v strip > /dev/null \
 || { apt-get update && apt-get install -y --no-install-recommends binutils && rm -rf /var/lib/apt/lists/*; }
WORKDIR /build

FROM build AS dependencies
COPY docker/install.py constraints.txt pyproject.toml ./
RUN python3 install.py heic

FROM build AS source
COPY pyproject.toml README.md LICENSE ./
COPY src ./src
# Where the images have their Python, since the program's first line names it.
RUN python3 -m venv /opt/dandelion && /opt/dandelion/bin/pip install --no-cache-dir --quiet --no-deps --target /app .

FROM base AS core
COPY pyproject.toml ./
COPY --from=dependencies /opt/dandelion /opt/dandelion

FROM core AS api
WORKDIR /data
COPY --from=source /app /app
ENV DANDELION_API__HOST=0.0.0.0 PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
EXPOSE 8000
ENTRYPOINT ["dandelion"]
CMD ["serve"]
ARG VERSION=0.1.0
ARG REVISION=
ARG CREATED=
LABEL org.opencontainers.image.title="Dandelion API" \
      org.opencontainers.image.description="Classifies photos; serving only" \
      org.opencontainers.image.source="https://github.com/dandelion-ml/dandelion" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"

FROM core AS ui
RUN python3 install.py ui
WORKDIR /data
COPY --from=source /app /app
ENV DANDELION_UI__HOST=0.0.0.0 PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
EXPOSE 7860
ENTRYPOINT ["dandelion"]
CMD ["ui"]
ARG VERSION=0.1.0
ARG REVISION=
ARG CREATED=
LABEL org.opencontainers.image.title="Dandelion UI" \
      org.opencontainers.image.description="The pages: classify, label, release, monitor" \
      org.opencontainers.image.source="https://github.com/dandelion-ml/dandelion" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"

FROM core AS worker
ARG TORCH_INDEX=
ARG WORKER_EXTRAS="train flows kubernetes"
# hadolint ignore=SC2086
RUN python3 install.py --index "${TORCH_INDEX}" ${WORKER_EXTRAS}
WORKDIR /app
COPY --from=source /app /app
ENV PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
ENTRYPOINT ["dandelion"]
CMD ["--help"]
ARG VERSION=0.1.0
ARG REVISION=
ARG CREATED=
LABEL org.opencontainers.image.title="Dandelion worker" \
      org.opencontainers.image.description="Runs the flows: retraining, monitoring, releases" \
      org.opencontainers.image.source="https://github.com/dandelion-ml/dandelion" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"

FROM base AS mlflow
RUN python3 install.py --only mlflow pymysql cryptography boto3 prometheus-flask-exporter
WORKDIR /data
ENV PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
EXPOSE 5000
ENTRYPOINT ["mlflow"]
CMD ["server", "--host", "0.0.0.0"]
ARG VERSION=0.1.0
ARG REVISION=
ARG CREATED=
LABEL org.opencontainers.image.title="MLflow for Dandelion" \
      org.opencontainers.image.description="MLflow's server with its drivers for MySQL and S3" \
      org.opencontainers.image.source="https://github.com/dandelion-ml/dandelion" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
