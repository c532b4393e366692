# The holdfast binary. Built from the checkout; nothing but the Go module proxy is needed.
FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -o /out/holdfast ./cmd/holdfast

FROM gcr.io/distroless/static-debian12
COPY --from=build /out/holdfast /usr/local/bin/holdfast
ENTRYPOINT ["holdfast"]
