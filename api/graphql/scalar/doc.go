// Package scalar holds the scalars of the GraphQL schema: how each is read from the wire, strictly, and written to it.
//
// A value that comes from a client and is malformed does not fail the operation: clients expect it as an error in the
// mutation's payload (docs/api.md, "Three kinds of no"), and the generated code would answer one at the top. So every scalar of an
// input carries either its value or what is wrong with it, and whoever uses the value asks for the latter first: Problem
// finds it in a whole input.
//
// The package knows the form of values, not whether they exist: no I/O. Which addresses are of our network it is told by the context.
//
// Invariants:
//
//  1. Reading never panics and never answers a Go error: what cannot be read has a problem and the zero value.
//  2. Amounts are exact integers. A JSON number with a fraction or an exponent, and what exceeds the limit, is malformed;
//     nothing passes through a float but what the JSON decoder of another library already made one, and then only whole.
//  3. What is read and written again reads the same.
package scalar
