// Package limit owns the rate limits of the doors: how often an account, an API key or an address may do something.
//
// It must not know what is limited, a transport, or a database: limits are per process, and a fleet of n processes
// allows n times as much. Budgets are the ledger's and exact; these limits only keep one caller from taking the house.
//
// Invariants:
//
//  1. A bucket of burst B and rate R never lets more than B + R*t pass in any time t.
//  2. A refusal takes nothing from a bucket, and its retry-after is when the next call would pass.
//  3. Memory is bounded: the subjects seen least recently are forgotten, and start with a full bucket.
//  4. A class that is not configured is not limited.
package limit
