package scalar

import (
	"io"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/holdfast-pay/holdfast/payment"
)

const (
	maxMemo    = 639  // bytes (BOLT 11's description)
	maxInvoice = 7089 // bytes: what a QR code holds
	maxURL     = 2000 // bytes
)

// WalletID names a wallet.
type WalletID struct {
	ID payment.WalletID
	verdict
}

// UnmarshalGQL reads a UUID in its usual form; it never answers an error (invariant 1).
func (id *WalletID) UnmarshalGQL(v any) error {
	parsed, ok := uuidOf(v)
	if !ok {
		*id = WalletID{verdict: verdict{malformed("Invalid value for WalletId: it must be a UUID.")}}
		return nil
	}
	*id = WalletID{ID: parsed}
	return nil
}

// MarshalGQL writes the UUID.
func (id WalletID) MarshalGQL(w io.Writer) { writeText(w, id.ID.String()) }

// uuidOf reads a UUID in its usual form; other spellings are refused, so that there is one.
func uuidOf(v any) (uuid.UUID, bool) {
	text, _ := v.(string)
	const canonical = 36
	parsed, err := uuid.Parse(text)
	return parsed, err == nil && len(text) == canonical
}

func hashOf(v any) (payment.Hash, bool) {
	text, _ := v.(string)
	parsed, err := payment.ParseHash(text)
	return parsed, err == nil
}

// PaymentHash is the hash of a lightning payment.
type PaymentHash struct {
	Hash payment.Hash
	verdict
}

// UnmarshalGQL reads 64 hexadecimal digits; it never answers an error (invariant 1).
func (h *PaymentHash) UnmarshalGQL(v any) error {
	parsed, ok := hashOf(v)
	if !ok {
		*h = PaymentHash{verdict: verdict{malformed("Invalid value for PaymentHash: it must be 64 hexadecimal digits.")}}
		return nil
	}
	*h = PaymentHash{Hash: parsed}
	return nil
}

// MarshalGQL writes 64 hexadecimal digits.
func (h PaymentHash) MarshalGQL(w io.Writer) { writeText(w, h.Hash.String()) }

// Hex32Bytes is 32 bytes.
type Hex32Bytes struct {
	Bytes [32]byte
	verdict
}

// UnmarshalGQL reads 64 hexadecimal digits; it never answers an error (invariant 1).
func (h *Hex32Bytes) UnmarshalGQL(v any) error {
	parsed, ok := hashOf(v)
	if !ok {
		*h = Hex32Bytes{verdict: verdict{malformed("Invalid value for Hex32Bytes: it must be 64 hexadecimal digits.")}}
		return nil
	}
	*h = Hex32Bytes{Bytes: parsed}
	return nil
}

// MarshalGQL writes 64 hexadecimal digits.
func (h Hex32Bytes) MarshalGQL(w io.Writer) { writeText(w, payment.Hash(h.Bytes).String()) }

// text is a scalar whose value is the text itself.
type text struct {
	Text string
	verdict
}

// read takes what ok accepts; rule says what that is.
func (t *text) read(scalar string, v any, rule string, ok func(string) bool) {
	given, isText := v.(string)
	if !isText || !utf8.ValidString(given) || strings.ContainsRune(given, 0) || !ok(given) {
		*t = text{verdict: verdict{malformed("Invalid value for %s: it must be %s.", scalar, rule)}}
		return
	}
	*t = text{Text: given}
}

// Memo is text for people.
type Memo struct{ text }

// UnmarshalGQL reads text of at most 639 bytes; it never answers an error (invariant 1).
func (t *Memo) UnmarshalGQL(v any) error {
	t.read("Memo", v, "text of at most 639 bytes", func(s string) bool { return len(s) <= maxMemo })
	return nil
}

// MarshalGQL writes the text.
func (t Memo) MarshalGQL(w io.Writer) { writeText(w, t.Text) }

// LnPaymentRequest has the form of a BOLT 11 invoice; whether it decodes is for the payment to say.
type LnPaymentRequest struct{ text }

var invoiceForm = regexp.MustCompile(`^(?i:lightning:)?\s*[lL][nN][a-zA-Z0-9]+$`)

// UnmarshalGQL reads what begins as an invoice; it never answers an error (invariant 1).
func (t *LnPaymentRequest) UnmarshalGQL(v any) error {
	if given, ok := v.(string); ok {
		v = strings.TrimSpace(given)
	}
	t.read("LnPaymentRequest", v, "a BOLT 11 invoice, which begins with ln",
		func(s string) bool { return len(s) <= maxInvoice && invoiceForm.MatchString(s) })
	return nil
}

// MarshalGQL writes the text.
func (t LnPaymentRequest) MarshalGQL(w io.Writer) { writeText(w, t.Text) }

// TxExternalID is the caller's own name for a transaction.
type TxExternalID struct{ text }

var externalForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,100}$`)

// UnmarshalGQL reads up to 100 letters, digits, hyphens and underscores; it never answers an error (invariant 1).
func (t *TxExternalID) UnmarshalGQL(v any) error {
	t.read("TxExternalId", v, "1 to 100 letters, digits, hyphens or underscores", externalForm.MatchString)
	return nil
}

// MarshalGQL writes the text.
func (t TxExternalID) MarshalGQL(w io.Writer) { writeText(w, t.Text) }

// Username names a user.
type Username struct{ text }

var (
	usernameForm = regexp.MustCompile(`^[A-Za-z][0-9A-Za-z_]{2,49}$`) // as the ledger keeps them, in small letters
	addressLike  = regexp.MustCompile(`^(?i:bc1|lnbc1)`)
)

// UnmarshalGQL reads 3 to 50 letters, digits and underscores that do not look like an address; never an error.
func (t *Username) UnmarshalGQL(v any) error {
	t.read("Username", v, "3 to 50 letters, digits or underscores, beginning with a letter, but not with bc1 or lnbc1",
		func(s string) bool { return usernameForm.MatchString(s) && !addressLike.MatchString(s) })
	return nil
}

// MarshalGQL writes the text.
func (t Username) MarshalGQL(w io.Writer) { writeText(w, t.Text) }

// Phone is a telephone number.
type Phone struct{ text }

var phoneForm = regexp.MustCompile(`^\+[1-9][0-9]{5,14}$`)

// UnmarshalGQL reads an E.164 number; it never answers an error (invariant 1).
func (t *Phone) UnmarshalGQL(v any) error {
	t.read("Phone", v, "a telephone number with + and the country's code", phoneForm.MatchString)
	return nil
}

// MarshalGQL writes the text.
func (t Phone) MarshalGQL(w io.Writer) { writeText(w, t.Text) }

// OneTimeAuthCode is the code of a login.
type OneTimeAuthCode struct{ text }

var codeForm = regexp.MustCompile(`^[0-9]{6}$`)

// UnmarshalGQL reads six digits; it never answers an error (invariant 1).
func (t *OneTimeAuthCode) UnmarshalGQL(v any) error {
	t.read("OneTimeAuthCode", v, "six digits", codeForm.MatchString)
	return nil
}

// MarshalGQL writes the text.
func (t OneTimeAuthCode) MarshalGQL(w io.Writer) { writeText(w, t.Text) }

// DisplayCurrency is a currency that prices and amounts are shown in.
type DisplayCurrency struct{ text }

var currencyForm = regexp.MustCompile(`^[A-Z]{3,4}$`)

// UnmarshalGQL reads a currency's code; it never answers an error (invariant 1).
func (t *DisplayCurrency) UnmarshalGQL(v any) error {
	t.read("DisplayCurrency", v, "the code of a currency, three or four capital letters", currencyForm.MatchString)
	return nil
}

// MarshalGQL writes the text.
func (t DisplayCurrency) MarshalGQL(w io.Writer) { writeText(w, t.Text) }

// EndpointURL is called when something happens.
type EndpointURL struct{ text }

var urlForm = regexp.MustCompile(`^https?://[^\s/?#@]+([/?][^\s#]*)?$`)

// UnmarshalGQL reads the address of a web service, without user and fragment; it never answers an error (invariant 1).
func (t *EndpointURL) UnmarshalGQL(v any) error {
	t.read("EndpointUrl", v, "a web address of at most 2000 characters", func(s string) bool { return len(s) <= maxURL && urlForm.MatchString(s) })
	return nil
}

// MarshalGQL writes the text.
func (t EndpointURL) MarshalGQL(w io.Writer) { writeText(w, t.Text) }

// EndpointID names a callback endpoint.
type EndpointID struct {
	ID uuid.UUID
	verdict
}

// UnmarshalGQL reads a UUID; it never answers an error (invariant 1).
func (id *EndpointID) UnmarshalGQL(v any) error {
	parsed, ok := uuidOf(v)
	if !ok {
		*id = EndpointID{verdict: verdict{malformed("Invalid value for EndpointId: it must be a UUID.")}}
		return nil
	}
	*id = EndpointID{ID: parsed}
	return nil
}

// MarshalGQL writes the UUID.
func (id EndpointID) MarshalGQL(w io.Writer) { writeText(w, id.ID.String()) }

func writeText(w io.Writer, text string) {
	_, _ = io.WriteString(w, quote(text)) // the writer is a buffer of the answer
}
