package main

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/holdfast-pay/holdfast/activities"
	"github.com/holdfast-pay/holdfast/cmd/holdfast/show"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/lndclient"
	"github.com/holdfast-pay/holdfast/payment"
)

type checkCommand struct {
	LedgerOnly bool          `help:"Do not compare with the LND nodes."`
	Since      time.Duration `help:"How far back what has ended is compared with the LND nodes, such as 720h." default:"48h"`
}

// Run prints a line per rule and ends with 1 when one fails.
func (c *checkCommand) Run(ctx context.Context, d *deps) error {
	if c.Since <= 0 {
		return payment.Errorf(payment.ReasonInvalidInput, "--since is how far back to compare: give a time such as 48h.")
	}
	results, err := d.checkBooks(ctx)
	if err == nil && !c.LedgerOnly {
		var against []ledger.CheckResult
		against, err = d.checkNodes(ctx, c.Since)
		results = append(results, against...)
	}
	if err != nil {
		return err
	}
	if err := d.print.Checks(results); err != nil {
		return err
	}
	if slices.ContainsFunc(results, func(r ledger.CheckResult) bool { return !r.OK }) {
		return show.Exit{Code: show.Failed}
	}
	return nil
}

// check is everything: the ledger's rules, and the ledger against each node.
func (d *deps) check(ctx context.Context) ([]ledger.CheckResult, error) {
	rules, err := d.checkBooks(ctx)
	if err != nil {
		return nil, err
	}
	against, err := d.checkNodes(ctx, activities.CompareWindow)
	return append(rules, against...), err
}

func (d *deps) checkBooks(ctx context.Context) ([]ledger.CheckResult, error) {
	books, err := d.ledger(ctx)
	if err != nil {
		return nil, err
	}
	return books.Check(ctx)
}

// checkNodes compares the ledger with each node. A node that does not answer fails its line: nothing is proven.
func (d *deps) checkNodes(ctx context.Context, window time.Duration) ([]ledger.CheckResult, error) {
	nodes, err := d.lnd()
	if err != nil {
		return nil, err
	}
	var results []ledger.CheckResult
	for _, name := range slices.Sorted(maps.Keys(nodes)) {
		results = append(results, d.compare(ctx, name, nodes[name], window)...)
	}
	return results, nil
}

func (d *deps) compare(ctx context.Context, name string, node lndclient.Node, window time.Duration) []ledger.CheckResult {
	network, err := d.settings.Network()
	var compared []ledger.CheckResult
	if err == nil {
		steps := &activities.NodeSteps{
			Ledger: d.books, Node: node, Name: name, Network: network, Timing: activities.DefaultTiming(), Now: time.Now, Log: d.log,
		}
		out, compareErr := steps.Compare(ctx, window)
		for _, c := range out.Checks {
			compared = append(compared, ledger.CheckResult{Name: c.Name, OK: c.OK, Detail: c.Detail})
		}
		err = compareErr
	}
	if err != nil {
		d.log.Debug("not compared", "node", name, "error", err)
		detail := "the node does not answer: check that lnd runs and is unlocked"
		if payment.IsReason(err, payment.ReasonUnavailable) {
			detail = "the ledger does not answer"
		}
		return []ledger.CheckResult{{Name: "ledger against " + name, Detail: detail}}
	}
	return compared
}
