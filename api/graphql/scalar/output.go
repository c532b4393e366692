package scalar

import (
	"encoding/json"
	"io"
	"strconv"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"github.com/holdfast-pay/holdfast/payment"
)

// New wraps a text for an answer in the scalar that it is.
func New[T interface{ ~struct{ text } }](value string) T { return T{text{Text: value}} }

// NewOrNil is New, or nil for an empty text.
func NewOrNil[T interface{ ~struct{ text } }](value string) *T {
	if value == "" {
		return nil
	}
	return new(New[T](value))
}

// MarshalTimestamp writes seconds since 1970.
func MarshalTimestamp(t time.Time) graphql.Marshaler {
	return graphql.WriterFunc(func(w io.Writer) { writeInt(w, t.Unix()) })
}

// UnmarshalTimestamp reads seconds since 1970. No input has one; gqlgen asks for both directions.
func UnmarshalTimestamp(v any) (time.Time, error) {
	n, ok := whole(v)
	if !ok {
		return time.Time{}, malformed("Invalid value for Timestamp: give seconds since 1970.")
	}
	return time.Unix(n, 0).UTC(), nil
}

// MarshalPlain writes an integer of more than 32 bits.
func MarshalPlain(n int64) graphql.Marshaler {
	return graphql.WriterFunc(func(w io.Writer) { writeInt(w, n) })
}

// UnmarshalPlain reads one.
func UnmarshalPlain(v any) (int64, error) {
	n, ok := whole(v)
	if !ok {
		return 0, malformed("Give a whole number.")
	}
	return n, nil
}

// MajorUnits prints minor units (cents, with 2 digits) as a decimal number of the major one: 1234 is "12.34".
func MajorUnits(minor int64, fractionDigits int) string {
	sign := ""
	text := strconv.FormatInt(minor, 10)
	if minor < 0 {
		sign, text = "-", text[1:]
	}
	for len(text) <= fractionDigits {
		text = "0" + text
	}
	if fractionDigits == 0 {
		return sign + text
	}
	split := len(text) - fractionDigits
	return sign + text[:split] + "." + text[split:]
}

// SatsOrNil wraps an amount that may be missing.
func SatsOrNil(s payment.Sat, present bool) *SatAmount {
	if !present {
		return nil
	}
	return new(Sats(s))
}

// quote writes JSON, in which <, > and & stay as they are: the answer is no HTML.
func quote(text string) string {
	b, err := json.Marshal(text)
	if err != nil {
		return `""` // a string always encodes
	}
	return string(b)
}
