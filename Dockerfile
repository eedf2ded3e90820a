# The verification server: not root, nothing written outside /data and /tmp.
#   docker build -t thsafe .
#   docker run --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges -v thsafe:/data -p 8000:8000 thsafe
FROM python:3.11-slim-bookworm AS build
# thsafe runs networks on the CPU here; the default index has builds for graphics cards that are many times larger.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE NOTICE ./
COPY thsafe thsafe
COPY generators generators
COPY detectors detectors
COPY policies policies
RUN python -m venv /opt/thsafe \
 && /opt/thsafe/bin/pip install --no-cache-dir --extra-index-url "$TORCH_INDEX" -c constraints.txt ".[serve]"

FROM python:3.11-slim-bookworm
RUN apt-get update \
 && apt-get install -y --no-install-recommends libegl1 libgl1 libglib2.0-0 \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --home-dir /data --shell /usr/sbin/nologin thsafe \
 && install -d -o thsafe -g thsafe -m 0700 /data
COPY --from=build /opt/thsafe /opt/thsafe
ENV PATH=/opt/thsafe/bin:$PATH \
    THSAFE_HOME=/data \
    PYTHONDONTWRITEBYTECODE=1 \
    OMP_NUM_THREADS=2
USER thsafe
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/v1/health', timeout=4)"]
ENTRYPOINT ["thsafe"]
CMD ["serve", "--public", "--host", "0.0.0.0"]
