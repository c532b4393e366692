package demo

import (
	"context"
	"fmt"
	"strings"
)

// checkBooks runs `holdfast check`: every rule, and the ledger against the node.
func (s *scene) checkBooks(ctx context.Context) error {
	results, err := s.Check(ctx)
	if err != nil {
		return err
	}
	var failed []string
	for _, r := range results {
		if !r.OK {
			failed = append(failed, fmt.Sprintf("%s: %s", r.Name, r.Detail))
		}
	}
	seen := fmt.Sprintf("%d of %d ok", len(results)-len(failed), len(results))
	if len(failed) > 0 {
		seen += ", FAIL " + strings.Join(failed, ", FAIL ")
	}
	s.fits(fmt.Sprintf("%d of %d ok", len(results), len(results)), seen, len(failed) == 0 && len(results) > 0)
	return nil
}
