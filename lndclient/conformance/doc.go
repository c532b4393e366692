// Package conformance says in tests what a lndclient.Node must do. One suite runs against lndfake and against real lnd,
// so that a saga that is tested with the fake meets nothing new in production.
//
// It owns: the Suite (Run) and the World that each kind of network implements for it. It must not: know lnrpc, or
// depend on which world it runs in. Each check is one claim; what worlds may differ in is not claimed.
package conformance
