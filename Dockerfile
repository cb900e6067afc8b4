# The same steps as `make run`, so an image holds what a clone holds.
FROM python:3.13.7-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends make \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --create-home volley
ENV PYTHONUNBUFFERED=1
WORKDIR /app
COPY Makefile requirements.lock ./
RUN make packages
COPY . .
RUN make install && install -d -o volley -g volley -m 700 instance \
    && install -d -o volley -g volley /passwords/db /passwords/redis
USER volley
EXPOSE 5000
CMD [".venv/bin/python", "-m", "webapp.serve"]
