// Package telemetry owns what every process tells about itself: request ids, metrics (Prometheus) and traces
// (OpenTelemetry).
//
// It must not keep global state (registries and providers are passed in), know the ledger, LND or a door beyond the words
// of payment, or put an amount's owner, a secret or a payload into a label, a span or a log.
//
// Invariants:
//
//  1. One request id names a call through API, workflow, activity and LND call; it is in every log line about it.
//  2. Labels are bounded: kinds, states, reasons, classes, methods and names of nodes; never an id.
//  3. Nothing here can fail a payment: what cannot be measured is not measured.
//  4. Traces are off unless an endpoint is configured.
package telemetry
