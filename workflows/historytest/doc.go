// Package historytest writes the history of a workflow as the JSON that Temporal's replayer reads.
//
// It owns the form of the files in workflows/testdata/histories. It is for tests, and must not be imported by the product.
//
// Invariants:
//
//  1. Nothing is stripped: a recorded history is what the server has.
//  2. A file is there completely or not at all.
package historytest
