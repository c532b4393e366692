package show

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/holdfast-pay/holdfast/payment"
)

// Printer writes the answers of a command.
type Printer struct {
	Out  io.Writer
	Err  io.Writer
	JSON bool
}

// Object prints one thing: as JSON, or as a table of name and value.
func (p Printer) Object(value any, rows ...[2]string) error {
	if p.JSON {
		return p.json(value)
	}
	lines := make([][]string, 0, len(rows))
	for _, row := range rows {
		if row[1] != "" {
			lines = append(lines, row[:])
		}
	}
	return p.table(nil, lines)
}

// List prints many things: as a JSON array, or as a table.
func (p Printer) List(values any, head []string, rows [][]string) error {
	if p.JSON {
		return p.json(values)
	}
	return p.table(head, rows)
}

// Line prints a line for people; programs get nothing.
func (p Printer) Line(format string, args ...any) {
	if !p.JSON {
		_, _ = fmt.Fprintf(p.Out, format+"\n", args...) // nobody is left to tell
	}
}

// Stream prints one line of JSON, or a line for people: for commands that go on.
func (p Printer) Stream(value any, line string) error {
	if !p.JSON {
		_, err := fmt.Fprintln(p.Out, line)
		return err
	}
	return json.NewEncoder(p.Out).Encode(value)
}

func (p Printer) json(value any) error {
	encoder := json.NewEncoder(p.Out)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}

func (p Printer) table(head []string, rows [][]string) error {
	w := tabwriter.NewWriter(p.Out, 0, 0, 2, ' ', 0)
	if head != nil {
		rows = append([][]string{head}, rows...)
	}
	for _, row := range rows {
		if _, err := fmt.Fprintln(w, strings.TrimRight(strings.Join(row, "\t"), "\t")); err != nil {
			return err
		}
	}
	return w.Flush()
}

// Error prints what went wrong on stderr: "error: <message> (<REASON>)", a budget's shortfall line by line; as JSON where
// that was asked for. The cause is left out (invariant 2).
func (p Printer) Error(err error) {
	failure := payment.Failure{Reason: payment.ReasonInternal, Message: err.Error()}
	if exit, ok := errors.AsType[Exit](err); ok {
		switch {
		case exit.Failure != nil:
			failure = *exit.Failure
		case exit.Message != "":
			failure.Reason = ""
		default:
			return // everything was printed before
		}
	} else if coded, ok := errors.AsType[*payment.Error](err); ok {
		failure = coded.Failure
	}
	p.failure(failure)
}

func (p Printer) failure(failure payment.Failure) {
	if p.JSON {
		printer := Printer{Out: p.Err, JSON: true}
		_ = printer.json(map[string]any{"error": failureView(&failure)}) // nobody is left to tell
		return
	}
	reason := ""
	if failure.Reason != "" {
		reason = " (" + string(failure.Reason) + ")"
	}
	_, _ = fmt.Fprintf(p.Err, "error: %s%s\n", failure.Message, reason)
	if failure.Budget != nil {
		_ = Printer{Out: p.Err}.table(nil, shortfallRows(*failure.Budget))
	}
}

func shortfallRows(b payment.BudgetShortfall) [][]string {
	frees := "never: the payment needs more than the whole limit"
	if !b.FreesAt.IsZero() {
		frees = Time(b.FreesAt)
	}
	return [][]string{
		{"  window", string(b.Window)},
		{"  limit", b.Limit.String()},
		{"  spent", b.Spent.String()},
		{"  remaining", b.Remaining.String()},
		{"  needed", b.Needed.String()},
		{"  frees at", frees},
	}
}

// Time is a moment for people, in their own time zone; empty for the zero time.
func Time(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format("2006-01-02 15:04:05 MST")
}
