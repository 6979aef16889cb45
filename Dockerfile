# One image per service from one file:
#   docker build --build-arg SERVICE=ws-gateway --build-arg PORT=8000 -t baleen/ws-gateway .
# Arguments: SERVICE (a folder of services/ or tools/), PORT (where its probes answer), PYTHON_IMAGE.
ARG PYTHON_IMAGE=python:3.13-slim

FROM ${PYTHON_IMAGE} AS build
ARG SERVICE
WORKDIR /src
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore

# The dependencies first: they change seldom, so their layer is kept between builds.
COPY deploy/requirements/build.lock deploy/requirements/${SERVICE}.lock requirements/
RUN python3 -m venv /opt/build && /opt/build/bin/pip install --quiet --require-hashes -r requirements/build.lock
RUN python3 -m venv --without-pip /opt/baleen \
 && /opt/build/bin/pip --python /opt/baleen/bin/python install --quiet --require-hashes --only-binary :all: \
      -r requirements/${SERVICE}.lock

COPY libs libs
COPY services services
COPY tools tools
RUN member=$(find services tools -maxdepth 1 -name "${SERVICE}") \
 && for part in libs/contracts libs/bus libs/runtime libs/filters "$member"; do \
      /opt/build/bin/pip wheel --quiet --no-deps --no-build-isolation -w wheels "./$part" || exit 1; done \
 && /opt/build/bin/pip --python /opt/baleen/bin/python install --quiet --no-deps --no-index wheels/*.whl \
 && ln -s "${SERVICE}" /opt/baleen/bin/service

FROM ${PYTHON_IMAGE}
ARG SERVICE
ARG PORT
LABEL org.opencontainers.image.title="baleen ${SERVICE}"
COPY --from=build /opt/baleen /opt/baleen
ENV PATH=/opt/baleen/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PROBE=http://127.0.0.1:${PORT}/readyz
RUN install -d -o 10001 -g 10001 /data
USER 10001:10001
WORKDIR /tmp
EXPOSE ${PORT}
HEALTHCHECK --interval=3s --timeout=3s --start-period=30s --retries=5 \
  CMD ["python3", "-c", "import os, urllib.request; urllib.request.urlopen(os.environ['PROBE'], timeout=2)"]
ENTRYPOINT ["/opt/baleen/bin/service"]
