package scalar

import (
	"context"
	"errors"
	"io"
	"regexp"
	"strings"

	"github.com/holdfast-pay/holdfast/payment"
)

// OnChainAddress is an address of the network that WithAddresses names; without it, it has the form of one.
type OnChainAddress struct{ text }

const maxAddress = 100 // bytes

var addressForm = regexp.MustCompile(`^(?i:bitcoin:)?[a-zA-Z0-9]+$`)

type addressesKey struct{}

// WithAddresses hands on how addresses of the network are told from others. The errors of check are *payment.Error.
func WithAddresses(ctx context.Context, check func(address string) error) context.Context {
	return context.WithValue(ctx, addressesKey{}, check)
}

// UnmarshalGQLContext reads an address of the network; it never answers an error (invariant 1).
func (t *OnChainAddress) UnmarshalGQLContext(ctx context.Context, v any) error {
	if err := t.UnmarshalGQL(v); err != nil || t.bad != nil {
		return err
	}
	check, given := ctx.Value(addressesKey{}).(func(string) error)
	if !given {
		return nil
	}
	if err := check(t.Text); err != nil {
		why := "It cannot be read."
		if coded, ours := errors.AsType[*payment.Error](err); ours {
			why = coded.Message
		}
		*t = OnChainAddress{text{verdict: verdict{malformed("Invalid value for OnChainAddress: %s", why)}}}
	}
	return nil
}

// UnmarshalGQL reads letters and digits; it never answers an error (invariant 1).
func (t *OnChainAddress) UnmarshalGQL(v any) error {
	if given, ok := v.(string); ok {
		v = strings.TrimSpace(given)
	}
	t.read("OnChainAddress", v, "a Bitcoin address, without parameters",
		func(s string) bool { return len(s) <= maxAddress && addressForm.MatchString(s) })
	return nil
}

// MarshalGQLContext writes the text.
func (t OnChainAddress) MarshalGQLContext(_ context.Context, w io.Writer) error {
	t.MarshalGQL(w)
	return nil
}

// MarshalGQL writes the text.
func (t OnChainAddress) MarshalGQL(w io.Writer) { writeText(w, t.Text) }
