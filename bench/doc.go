// Package bench measures Holdfast beside what it replaces, side by side in one run on the same Postgres, because only
// ratios hold on another machine; or beside itself with less history, where the promise is that history costs nothing. Results are printed as a table and written as JSON under results/.
//
// It owns the comparisons, written here and nowhere else; production code never imports it.
//
// Invariants:
//
//  1. Both sides of a ratio are measured in the same run, on the same server, with the same durability.
//  2. A benchmark never fails for being slow: the figures are for people.
package bench
