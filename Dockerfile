# One image for webserver, daemon, code server, gateway and runs; the arguments select the program.
#   docker build -t etl-platform .
ARG BASE_IMAGE=python:3.12-slim

FROM ${BASE_IMAGE} AS build
ARG UV_VERSION=0.13.9
# UV_SYSTEM_CERTS: use the base image's certificates, which may include a company's root certificate.
ENV UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    UV_NO_CACHE=1 \
    UV_PROJECT_ENVIRONMENT=/opt/etl-platform \
    UV_PYTHON_DOWNLOADS=never \
    UV_SYSTEM_CERTS=1
RUN python3 -m venv /opt/uv \
    && /opt/uv/bin/pip install --no-cache-dir --disable-pip-version-check "uv==${UV_VERSION}"
WORKDIR /src
# Dependencies first, so that a change of our own code does not install them again.
COPY pyproject.toml uv.lock ./
RUN /opt/uv/bin/uv sync --locked --no-dev --no-install-project --python python3
COPY README.md ./
COPY api_sources api_sources
COPY contracts contracts
COPY etl_platform etl_platform
RUN /opt/uv/bin/uv sync --locked --no-dev --no-editable --python python3

FROM ${BASE_IMAGE}
ARG VERSION=0.2.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="etl-platform" \
      org.opencontainers.image.description="Files that agencies drop into S3 become checked, typed, traceable tables" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# Mount DAGSTER_HOME and /tmp writable; the rest of the root file system may be read-only. PYTHONWARNINGS hides that
# `dagster job execute` is superseded by dg, which is not installed here.
ENV DAGSTER_HOME=/opt/dagster/dagster_home \
    DAGSTER_DISABLE_TELEMETRY=yes \
    GATEWAY_HOST=0.0.0.0 \
    HOME=/tmp \
    PATH=/opt/etl-platform/bin:${PATH} \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PYTHONWARNINGS=ignore:Function:FutureWarning
RUN groupadd --gid 1000 etl \
    && useradd --uid 1000 --gid 1000 --home-dir /tmp --no-create-home --shell /usr/sbin/nologin etl \
    && install --directory --owner 1000 --group 1000 "${DAGSTER_HOME}"
COPY --from=build /opt/etl-platform /opt/etl-platform
# Nobody can write here. etl-platform and Dagster read .env from the working directory, and Python imports from it; /tmp has
# what agencies send.
WORKDIR /opt/working-directory
USER 1000:1000
EXPOSE 8080
ENTRYPOINT ["etl-platform"]
CMD ["--help"]
