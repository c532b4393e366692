# Two images from one checkout; nothing but the Go module proxy and Debian packages is needed.
#   --target dev       the private network with everything in it (docker-compose.yml)
#   --target holdfast  the product: one static binary (the default)

FROM golang:1.26-bookworm AS source
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .

# Postgres comes from Debian; lnd, btcd and Temporal are built at the first start into the cache volume.
FROM source AS dev
RUN apt-get update && apt-get install -y --no-install-recommends postgresql && rm -rf /var/lib/apt/lists/*
RUN go build -trimpath -o /usr/local/bin/holdfast ./cmd/holdfast
CMD ["holdfast", "dev", "--dir", "/var/lib/holdfast"]

FROM source AS build
RUN CGO_ENABLED=0 go build -trimpath -o /out/holdfast ./cmd/holdfast

FROM gcr.io/distroless/static-debian12 AS holdfast
COPY --from=build /out/holdfast /usr/local/bin/holdfast
ENTRYPOINT ["holdfast"]
