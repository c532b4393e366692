package scalar

import (
	"encoding/json"
	"io"
	"strconv"

	"github.com/holdfast-pay/holdfast/payment"
)

// MaxCents is the largest amount of US cents that a request may name: 10^16.
const MaxCents payment.Cents = 10_000_000_000_000_000

// SatAmount is an amount of at least 0 sat, at most payment.MaxSat.
type SatAmount struct {
	Sat payment.Sat
	verdict
}

// Sats wraps an amount for an answer.
func Sats(s payment.Sat) SatAmount { return SatAmount{Sat: s} }

// UnmarshalGQL reads a number or a decimal string; it never answers an error (invariant 1).
func (a *SatAmount) UnmarshalGQL(v any) error {
	n, bad := amount("SatAmount", v, int64(payment.MaxSat))
	*a = SatAmount{payment.Sat(n), verdict{bad}}
	return nil
}

// MarshalGQL writes a number.
func (a SatAmount) MarshalGQL(w io.Writer) { writeInt(w, int64(a.Sat)) }

// CentAmount is an amount of at least 0 cents, at most MaxCents.
type CentAmount struct {
	Cents payment.Cents
	verdict
}

// UnmarshalGQL reads a number or a decimal string; it never answers an error (invariant 1).
func (a *CentAmount) UnmarshalGQL(v any) error {
	n, bad := amount("CentAmount", v, int64(MaxCents))
	*a = CentAmount{payment.Cents(n), verdict{bad}}
	return nil
}

// MarshalGQL writes a number.
func (a CentAmount) MarshalGQL(w io.Writer) { writeInt(w, int64(a.Cents)) }

// Minutes is a time of 1 minute to a year; what a minute is good for bounds it closer.
type Minutes struct {
	Minutes int64
	verdict
}

const maxMinutes = 365 * 24 * 60

// UnmarshalGQL reads a number or a decimal string; it never answers an error (invariant 1).
func (m *Minutes) UnmarshalGQL(v any) error {
	n, bad := amount("Minutes", v, maxMinutes)
	if bad == nil && n == 0 {
		bad = malformed("Invalid value for Minutes: it must be above zero.")
	}
	*m = Minutes{n, verdict{bad}}
	return nil
}

// MarshalGQL writes a number.
func (m Minutes) MarshalGQL(w io.Writer) { writeInt(w, m.Minutes) }

// amount reads a whole number from 0 to most.
func amount(scalar string, v any, most int64) (int64, *Malformed) {
	n, ok := whole(v)
	switch {
	case !ok:
		return 0, malformed("Invalid value for %s: give a whole number, as a number or a string of digits.", scalar)
	case n < 0:
		return 0, malformed("Invalid value for %s: it must not be negative.", scalar)
	case n > most:
		return 0, malformed("Invalid value for %s: it must be at most %d.", scalar, most)
	default:
		return n, nil
	}
}

// whole reads an integer as literals, variables and decimal strings bring it.
func whole(v any) (int64, bool) {
	switch v := v.(type) {
	case int64:
		return v, true
	case int:
		return int64(v), true
	case json.Number:
		return digits(v.String())
	case string:
		return digits(v)
	default: // a literal like 1.0 or 1e3 among them
		return 0, false
	}
}

// digits reads decimal digits with at most a minus before them: no plus, no space, no leading zeros, no underscore.
func digits(text string) (int64, bool) {
	rest := text
	if len(rest) > 0 && rest[0] == '-' {
		rest = rest[1:]
	}
	if rest == "" || len(rest) > 1 && rest[0] == '0' {
		return 0, false
	}
	for _, c := range []byte(rest) {
		if c < '0' || c > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil
}

func writeInt(w io.Writer, n int64) {
	_, _ = io.WriteString(w, strconv.FormatInt(n, 10)) // the writer is a buffer of the answer
}
