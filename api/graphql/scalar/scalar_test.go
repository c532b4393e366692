package scalar_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/99designs/gqlgen/graphql"

	"github.com/holdfast-pay/holdfast/api/graphql/scalar"
	"github.com/holdfast-pay/holdfast/payment"
)

// every scalar of an input, by its name in the schema.
func every() map[string]func() interface {
	graphql.Unmarshaler
	graphql.Marshaler
	scalar.Checked
} {
	type s = interface {
		graphql.Unmarshaler
		graphql.Marshaler
		scalar.Checked
	}
	return map[string]func() s{
		"SatAmount": func() s { return &scalar.SatAmount{} }, "CentAmount": func() s { return &scalar.CentAmount{} },
		"Minutes": func() s { return &scalar.Minutes{} }, "WalletId": func() s { return &scalar.WalletID{} },
		"PaymentHash": func() s { return &scalar.PaymentHash{} }, "Hex32Bytes": func() s { return &scalar.Hex32Bytes{} },
		"Memo": func() s { return &scalar.Memo{} }, "LnPaymentRequest": func() s { return &scalar.LnPaymentRequest{} },
		"OnChainAddress": func() s { return &scalar.OnChainAddress{} }, "TxExternalId": func() s { return &scalar.TxExternalID{} },
		"Username": func() s { return &scalar.Username{} }, "Phone": func() s { return &scalar.Phone{} },
		"OneTimeAuthCode": func() s { return &scalar.OneTimeAuthCode{} }, "DisplayCurrency": func() s { return &scalar.DisplayCurrency{} },
		"EndpointUrl": func() s { return &scalar.EndpointURL{} }, "EndpointId": func() s { return &scalar.EndpointID{} },
	}
}

func TestWhatScalarsTake(t *testing.T) {
	t.Parallel()
	hash := strings.Repeat("ab", 32)
	for name, c := range map[string]struct{ good, bad []any }{
		"SatAmount": {
			[]any{0, int64(5), json.Number("7"), "10000000000000", int64(5_000_000_000), json.Number("10000000000000")},
			[]any{-1, "-1", "", "1.0", "1e3", "+1", " 1", "01", "0x1", "1_000", json.Number("1.5"), json.Number("1e3"), 1.0, 5e9, 1.5, 1e300, "10000000000001", true, nil, []any{1}, "٣"},
		},
		"CentAmount":       {[]any{0, "10000000000000000"}, []any{"10000000000000001", -1}},
		"Minutes":          {[]any{1, "1440"}, []any{0, -1, "x", 600_000}},
		"WalletId":         {[]any{"0b7c1d1e-9c3f-4e0a-8b1f-2f0d7a3f5c11"}, []any{"", "x", "0b7c1d1e9c3f4e0a8b1f2f0d7a3f5c11", "{0b7c1d1e-9c3f-4e0a-8b1f-2f0d7a3f5c11}", "urn:uuid:0b7c1d1e-9c3f-4e0a-8b1f-2f0d7a3f5c11", 7}},
		"PaymentHash":      {[]any{hash, strings.ToUpper(hash)}, []any{hash[1:], hash + "0", "0x" + hash[2:], strings.Repeat("zz", 32), 7}},
		"Hex32Bytes":       {[]any{hash}, []any{"", 0}},
		"Memo":             {[]any{"", "tea ☕", strings.Repeat("x", 639)}, []any{strings.Repeat("x", 640), strings.Repeat("é", 320), "a\x00b", "\xff", 7, nil}},
		"LnPaymentRequest": {[]any{"lnbcrt1xyz", " LNBC10U1P ", "lightning:lnbc1x"}, []any{"", "ln", "bc1qxyz", "lnbc1 x", "lnurl:x", 7, "ln" + strings.Repeat("x", 8000)}},
		"OnChainAddress":   {[]any{"bcrt1qxyz", "2N2JD6wb56AfK4tfmM6PwdVmoYk2dCKf4Br", "bitcoin:bc1q"}, []any{"", "a b", "bc1q?amount=1", 7, strings.Repeat("x", 101)}},
		"TxExternalId":     {[]any{"a", "Order_1-2", strings.Repeat("x", 100)}, []any{"", "a b", "é", "a\n", strings.Repeat("x", 101), 7}},
		"Username":         {[]any{"bob", "Bob_99"}, []any{"ab", "1bob", "3bob", "bc1bob", "LNBC1x", "a-b", "bob\n", strings.Repeat("x", 51), 7}},
		"Phone":            {[]any{"+16505550123"}, []any{"16505550123", "+0123456", "+1", "+1650555012345678", "+1650 555", 7}},
		"OneTimeAuthCode":  {[]any{"000000"}, []any{"00000", "0000000", "00000a", 0}},
		"DisplayCurrency":  {[]any{"USD", "USDT"}, []any{"usd", "US", "DOLLAR", "U$D", 7}},
		"EndpointUrl":      {[]any{"https://shop.example/hook?a=1", "http://localhost:8080"}, []any{"ftp://x", "https://", "https://u:p@x.example", "javascript:alert(1)", "https://x.example/#f", "https://a b", 7}},
		"EndpointId":       {[]any{"0b7c1d1e-9c3f-4e0a-8b1f-2f0d7a3f5c11"}, []any{"x", 7}},
	} {
		for _, value := range c.good {
			s := every()[name]()
			if err := s.UnmarshalGQL(value); err != nil || s.Problem() != nil {
				t.Errorf("%s refuses %#v: %v, %v", name, value, err, s.Problem())
			}
		}
		for _, value := range c.bad {
			s := every()[name]()
			if err := s.UnmarshalGQL(value); err != nil || s.Problem() == nil {
				t.Errorf("%s takes %#v (%v)", name, value, err)
			} else if !strings.Contains(s.Problem().Message, name) {
				t.Errorf("%s: the message does not name it: %s", name, s.Problem().Message)
			}
		}
	}
	if len(every()) != 16 {
		t.Error("a scalar is missing here")
	}
}

// An address of another network, or none at all, is malformed where the network is known.
func TestAddressesOfTheNetwork(t *testing.T) {
	t.Parallel()
	ctx := scalar.WithAddresses(t.Context(), func(address string) error {
		if address != "bcrt1qours" {
			return payment.Errorf(payment.ReasonInvalidAddress, "Give one of regtest.").Because(errors.New("bech32: detail"))
		}
		return nil
	})
	for value, want := range map[string]string{
		"bcrt1qours": "", " bcrt1qours ": "", "bc1qtheirs": "Invalid value for OnChainAddress: Give one of regtest.",
		"b c": "Invalid value for OnChainAddress: it must be a Bitcoin address, without parameters.",
	} {
		var a scalar.OnChainAddress
		if err := a.UnmarshalGQLContext(ctx, value); err != nil {
			t.Fatal(err)
		}
		switch bad := a.Problem(); {
		case want == "" && (bad != nil || a.Text != "bcrt1qours"):
			t.Errorf("%q: %v", value, bad)
		case want != "" && (bad == nil || bad.Message != want || a.Text != ""):
			t.Errorf("%q: %v, want %q", value, bad, want)
		}
	}
}

// FuzzScalars: invariants 1 to 3, for every scalar and every text or number.
func FuzzScalars(f *testing.F) {
	for _, seed := range []string{"", "0", "-1", "10000000000000", "1e3", "lnbcrt1x", "bcrt1q", "a\x00", "\xff", "+16505550123", "0b7c1d1e-9c3f-4e0a-8b1f-2f0d7a3f5c11", "https://x.example"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for name, fresh := range every() {
			for _, value := range []any{text, json.Number(text)} {
				s := fresh()
				if err := s.UnmarshalGQL(value); err != nil {
					t.Fatalf("%s answers an error for %#v: %v", name, value, err)
				}
				if s.Problem() != nil {
					continue
				}
				var out bytes.Buffer
				s.MarshalGQL(&out)
				again := fresh()
				var wire any
				decoder := json.NewDecoder(&out)
				decoder.UseNumber()
				if err := decoder.Decode(&wire); err != nil {
					t.Fatalf("%s of %#v writes no JSON: %v", name, value, err)
				}
				if err := again.UnmarshalGQL(wire); err != nil || again.Problem() != nil || fmt.Sprint(again) != fmt.Sprint(s) {
					t.Fatalf("%s of %#v: %v is read again as %v", name, value, s, again)
				}
				if a, ok := s.(*scalar.SatAmount); ok && (a.Sat < 0 || a.Sat > payment.MaxSat) {
					t.Fatalf("%d sat passed", a.Sat)
				}
			}
		}
	})
}

func TestProblemIsFoundAnywhere(t *testing.T) {
	t.Parallel()
	var good, bad scalar.SatAmount
	if err := bad.UnmarshalGQL("x"); err != nil {
		t.Fatal(err)
	}
	type input struct {
		A scalar.SatAmount
		B *scalar.SatAmount
		C []*scalar.SatAmount
		D string
		E any
	}
	for name, in := range map[string]any{
		"itself": bad, "a pointer": &bad, "a field": input{A: bad}, "a pointer in a field": &input{B: &bad}, "a list": input{C: []*scalar.SatAmount{nil, &good, &bad}},
		"behind an interface": input{E: bad},
	} {
		if scalar.Problem(in) == nil {
			t.Errorf("%s: not found", name)
		}
	}
	for name, in := range map[string]any{"nothing": nil, "good": good, "nil": (*input)(nil), "zero": input{}, "a text": "x"} {
		if scalar.Problem(in) != nil {
			t.Errorf("%s: %v", name, scalar.Problem(in))
		}
	}
}

func TestMajorUnits(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]struct {
		minor  int64
		digits int
	}{"12.34": {1234, 2}, "0.05": {5, 2}, "-0.05": {-5, 2}, "0.00": {0, 2}, "7": {7, 0}, "-7": {-7, 0}, "-9223372036854775.808": {-9223372036854775808, 3}} {
		if got := scalar.MajorUnits(c.minor, c.digits); got != want {
			t.Errorf("%d with %d digits is %s, want %s", c.minor, c.digits, got, want)
		}
	}
}
