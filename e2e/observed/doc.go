// Package observed tests, on real nodes, what an operator sees of a payment: one request id and one trace from the API's
// request through Temporal to the calls of LND, the metrics that it moves, and what /readyz says while a dependency is away.
//
// It runs API and worker inside the test, so that their spans and logs can be read, on a network of its own, because it stops
// Postgres and Temporal. It must not be imported.
//
// Invariants: those of telemetry and api.
package observed
