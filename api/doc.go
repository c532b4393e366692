// Package api is the frame of the core API's process: the HTTP, gRPC and metrics listeners, and what every request
// passes on its way to a door: request id, credentials, limits on size and time, the idempotency key; and health.
//
// The doors themselves are given: GraphQL (api/graphql) as handlers, gRPC (api/grpc) as a server. The frame must not know
// a payment, open a connection of its own, or decide what a caller may do.
//
// Invariants:
//
//  1. Every request has an id: the caller's, if it is sane, else a new one. It is echoed, it is in every log line about
//     the request, and it goes on to Temporal and LND.
//  2. A body is read whole, bounded in size and time, before anything is asked of the database: a slow or silent client
//     holds a connection for some seconds, and nothing else. Limits by address come before the body.
//  3. Bad credentials answer 401 before a door sees the request: one body for every API key that proves nothing. Where an
//     address has shown too many, only those that were good before are looked up: a refusal costs no query.
//     Credentials that cannot be checked now are no bad ones: the door is told, and lets nobody do what needs any.
//  4. A panic answers 500 and is logged; the process goes on.
//  5. Stopping drains: no new connections, requests that run are finished, up to a bound.
//  6. /readyz names the dependency that is away, never its driver's text. Any number of callers asks each dependency at most
//     once a second, and the metrics listener answers probes while the others are full.
//  7. A client's address has a bounded number of connections per listener, at most half of all: none keeps others out.
package api
