// Package codec encrypts what Temporal stores of payments, and opens it for the Temporal UI.
//
// It knows payloads, not payments. It must not log what it seals or opens, nor keys.
//
// Invariants:
//
//  1. What is sealed opens only with its key and unchanged: anything else is an error, never other text.
//  2. What nobody sealed passes through, so that a house may begin to seal while payments are on their way.
//  3. The first key seals, every key opens.
//  4. The endpoint only opens.
package codec
