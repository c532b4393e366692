package show

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/payment"
)

// Payment prints one payment and, where it was read, its timeline.
func (p Printer) Payment(row ledger.Payment, timeline []ledger.Event) error {
	failure := ""
	if row.Failure != nil {
		failure = fmt.Sprintf("%s (%s)", row.Failure.Message, row.Failure.Reason)
	}
	fee := ""
	if row.State == payment.Settled {
		fee = row.Fee.String()
	}
	hash := ""
	if !row.PaymentHash.IsZero() {
		hash = row.PaymentHash.String()
	}
	err := p.Object(PaymentView(row, timeline),
		[2]string{"payment", row.ID.String()},
		[2]string{"kind", string(row.Kind)},
		[2]string{"state", string(row.State)},
		[2]string{"failure", failure},
		[2]string{"amount", row.Amount.String()},
		[2]string{"fee", fee},
		[2]string{"fee reserve", row.FeeReserve.String()},
		[2]string{"wallet", row.WalletID.String()},
		[2]string{"key", text(row.KeyID)},
		[2]string{"to", destination(row)},
		[2]string{"node", row.Node},
		[2]string{"payment hash", hash},
		[2]string{"txid", row.TxID},
		[2]string{"memo", row.Memo},
		[2]string{"in flight", inFlight(row)},
		[2]string{"started", Time(row.CreatedAt)},
		[2]string{"ended", Time(row.ResolvedAt)},
	)
	if err != nil || p.JSON {
		return err
	}
	if row.Failure != nil && row.Failure.Budget != nil {
		err = p.table(nil, shortfallRows(*row.Failure.Budget))
	}
	if err != nil || len(timeline) == 0 {
		return err
	}
	p.Line("\ntimeline")
	return p.timeline(timeline)
}

func destination(row ledger.Payment) string {
	switch {
	case row.Invoice != "":
		return row.Invoice
	case row.Address != "":
		return row.Address
	default:
		return "wallet " + row.RecipientID.String()
	}
}

func inFlight(row ledger.Payment) string {
	switch {
	case row.State.Terminal() || row.State == payment.Reserved:
		return ""
	case row.Kind == payment.Onchain:
		return "waits for confirmations"
	case row.Expiry == 0:
		return "unknown: waits for the node's word"
	default:
		return fmt.Sprintf("until block %d", row.Expiry)
	}
}

// Payments prints many.
func (p Printer) Payments(rows []ledger.Payment) error {
	views := make([]Payment, len(rows))
	lines := make([][]string, len(rows))
	for i, row := range rows {
		views[i] = PaymentView(row, nil)
		reason := ""
		if row.Failure != nil {
			reason = string(row.Failure.Reason)
		}
		lines[i] = []string{row.ID.String(), string(row.Kind), string(row.State), row.Amount.String(), row.Fee.String(), Time(row.CreatedAt), reason}
	}
	return p.List(views, []string{"ID", "KIND", "STATE", "AMOUNT", "FEE", "STARTED", "REASON"}, lines)
}

func (p Printer) timeline(events []ledger.Event) error {
	rows := make([][]string, len(events))
	for i, e := range events {
		rows[i] = []string{"  " + e.At.Local().Format("2006-01-02 15:04:05.000"), strings.ReplaceAll(e.Name, "_", " "), describe(e)}
	}
	return p.table(nil, rows)
}

// describe is an event's detail in words. What is known is said first and well, everything else as it is.
func describe(e ledger.Event) string {
	left := maps.Clone(e.Detail)
	take := func(name string) (string, bool) {
		value, ok := left[name]
		delete(left, name)
		return value, ok
	}
	var parts []string
	add := func(format, name string, unit func(string) string) {
		if value, ok := take(name); ok {
			parts = append(parts, fmt.Sprintf(format, unit(value)))
		}
	}
	add("amount %s", "amount_msat", msat)
	add("fee reserve %s", "fee_reserve_msat", msat)
	add("attempt %s", "attempt", plain)
	delete(left, "deadline") // of the call to LND: for programs
	if height, ok := take("expiry_height"); ok && height != "0" {
		parts = append(parts, "until block "+height)
	}
	add("transaction %s", "txid", plain)
	add("fee %s", "fee_msat", msat)
	add("at %s sat/vB", "sat_per_vbyte", plain)
	add("instead of %s", "instead_of", plain)
	add("charged %s", "charged_msat", msat)
	add("%s", "reason", plain)
	parts = append(parts, budgets("", "the budget", take)...)
	parts = append(parts, budgets("account_", "the account's limit", take)...)
	for _, name := range slices.Sorted(maps.Keys(left)) {
		parts = append(parts, strings.ReplaceAll(name, "_", " ")+" "+left[name])
	}
	return strings.Join(parts, ", ")
}

// budgets tells what the event did to the key's budget, or to that of the account's limit. A reservation records the whole
// spending of each window before and after; an end records only what this payment counted for, before and after.
func budgets(prefix, of string, take func(string) (string, bool)) []string {
	var parts []string
	counted, isCounted := take(prefix + "budget_sat")
	before, hasBefore := take(prefix + "budget_before_sat")
	after, hasAfter := take(prefix + "budget_after_sat")
	switch {
	case hasBefore && hasAfter:
		parts = append(parts, fmt.Sprintf("this payment's share of %s: %s before, %s after", of, sat(before), sat(after)))
	case isCounted:
		parts = append(parts, fmt.Sprintf("this payment's share of %s: %s", of, sat(counted)))
	}
	for _, window := range payment.Windows() {
		limit, limited := take(prefix + string(window) + "_limit_sat")
		spent, _ := take(prefix + string(window) + "_spent_before_sat")
		then, _ := take(prefix + string(window) + "_spent_after_sat")
		if limited {
			parts = append(parts, fmt.Sprintf("%s spending %s before, %s after, limit %s", window, sat(spent), sat(then), sat(limit)))
		}
	}
	return parts
}

func plain(value string) string { return value }

func msat(value string) string {
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return value
	}
	return payment.Msat(n).String()
}

func sat(value string) string {
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return value
	}
	return payment.Sat(n).String()
}
