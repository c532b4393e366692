package e2e_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/holdfast-pay/holdfast/payment"
)

// apiProcess is the name of the process that serves the core API.
const apiProcess = "api"

// customer is somebody who knows Holdfast only by its API: a login, a wallet that the treasury has filled, an API key.
type customer struct {
	*guest
	session string // the owner's token
	secret  string // of the API key
	keyID   string
}

// signUp logs a new customer in by the API, and has the treasury fill the BTC wallet.
func signUp(t testing.TB, funds payment.Sat) *customer {
	t.Helper()
	g := &guest{house: open(t), t: t}
	t.Cleanup(func() { g.house.balanced(t) })
	c := &customer{guest: g}
	var login struct {
		UserLogin struct {
			AuthToken string
			Errors    []failure
		}
	}
	c.as("").must(`mutation($p: Phone!) { userLogin(input: {phone: $p, code: "000000"}) { authToken errors { message } } }`,
		map[string]any{"p": phoneOf(uuid.New())}, &login)
	c.session = login.UserLogin.AuthToken
	var me struct {
		Me struct {
			DefaultAccount struct {
				ID              string
				DefaultWalletID string `json:"defaultWalletId"`
			}
		}
	}
	c.owner().must(`{ me { defaultAccount { id defaultWalletId } } }`, nil, &me)
	g.account, g.wallet = uuid.MustParse(me.Me.DefaultAccount.ID), uuid.MustParse(me.Me.DefaultAccount.DefaultWalletID)
	c.fund(c.wallet, funds)
	c.createKey(`[READ, WRITE]`)
	return c
}

// phoneOf makes a phone number that nobody else has.
func phoneOf(id uuid.UUID) string {
	digits := []byte("+1")
	for _, b := range id[:10] {
		digits = append(digits, '0'+b%10)
	}
	return string(digits)
}

func (c *customer) createKey(scopes string) {
	c.t.Helper()
	var made struct {
		APIKeyCreate struct {
			APIKey       struct{ ID string } `json:"apiKey"`
			APIKeySecret string              `json:"apiKeySecret"`
		} `json:"apiKeyCreate"`
	}
	c.owner().must(`mutation { apiKeyCreate(input: {name: "shop", scopes: `+scopes+`}) { apiKey { id } apiKeySecret } }`, nil, &made)
	c.keyID, c.secret = made.APIKeyCreate.APIKey.ID, made.APIKeyCreate.APIKeySecret
	c.key = uuid.MustParse(c.keyID)
}

// setLimit sets a limit of the key by the owner's session.
func (c *customer) setLimit(window string, sats payment.Sat) {
	c.t.Helper()
	c.owner().must(`mutation($id: ID!) { apiKeySetLimit(input: {id: $id, limitTimeWindow: `+window+`, limitSats: `+itoa(sats)+`}) { apiKey { id } } }`,
		map[string]any{"id": c.keyID}, nil)
}

func itoa(sat payment.Sat) string {
	text, _ := json.Marshal(int64(sat))
	return string(text)
}

// removeLimit lifts a limit of the key by the owner's session.
func (c *customer) removeLimit(window string) {
	c.t.Helper()
	c.owner().must(`mutation($id: ID!) { apiKeyRemoveLimit(input: {id: $id, limitTimeWindow: `+window+`}) { apiKey { id } } }`,
		map[string]any{"id": c.keyID}, nil)
}

// budget is what the API says of a key's budget, by field; nil where there is no limit.
type budget map[string]*payment.Sat

const budgetFields = `dailyLimitSats weeklyLimitSats monthlyLimitSats annualLimitSats dailySpentSats weeklySpentSats monthlySpentSats
	annualSpentSats dailyRemainingSats weeklyRemainingSats monthlyRemainingSats annualRemainingSats reservedSats`

// budget reads the key's budget by the owner's session.
func (c *customer) budget() budget {
	c.t.Helper()
	var me struct {
		Me struct {
			APIKeys []struct {
				ID     string
				Limits budget
			} `json:"apiKeys"`
		}
	}
	c.owner().must(`{ me { apiKeys { id limits { `+budgetFields+` } } } }`, nil, &me)
	for _, key := range me.Me.APIKeys {
		if key.ID == c.keyID {
			return key.Limits
		}
	}
	c.t.Fatalf("the owner's keys do not have %s", c.keyID)
	return nil
}

// dailySpent is what the key's budget counts, as its own API says.
func (c *customer) dailySpent() payment.Sat {
	c.t.Helper()
	return *c.budget()["dailySpentSats"]
}

// apiBalance is the wallet's balance as the API says.
func (c *customer) apiBalance() payment.Sat {
	c.t.Helper()
	var me struct {
		Me struct {
			DefaultAccount struct {
				WalletByID struct{ Balance int64 } `json:"walletById"`
			}
		}
	}
	c.byKey().must(`query($w: WalletId!) { me { defaultAccount { walletById(walletId: $w) { balance } } } }`, map[string]any{"w": c.wallet.String()}, &me)
	return payment.Sat(me.Me.DefaultAccount.WalletByID.Balance)
}

// line is how a customer's requests are signed.
type line struct {
	c      *customer
	header http.Header
}

func (c *customer) owner() line { return c.as("").with("Authorization", "Bearer "+c.session) }
func (c *customer) byKey() line { return c.as("").with("X-API-KEY", c.secret) }
func (c *customer) as(key string) line {
	l := line{c, http.Header{"Content-Type": {"application/json"}}}
	if key != "" {
		return l.with("X-API-KEY", key)
	}
	return l
}

func (l line) with(name, value string) line {
	l.header = l.header.Clone()
	l.header.Set(name, value)
	return l
}

// failure is an entry of errors. In a payload its code is Code, on top it is among the extensions.
type failure struct {
	Message    string
	Code       string
	Extensions struct{ Code string }
}

// answer is what POST /graphql says.
type answer struct {
	Data   json.RawMessage
	Errors []failure
}

// ask sends one operation. Errors of the transport are returned: the process may have been killed.
func (l line) ask(query string, variables map[string]any) (status int, a answer, err error) {
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		return 0, a, err
	}
	req, err := http.NewRequestWithContext(l.c.t.Context(), http.MethodPost, l.c.net.Env()["HOLDFAST_HTTP"]+"/graphql", bytes.NewReader(body))
	if err != nil {
		return 0, a, err
	}
	req.Header = l.header
	client := http.Client{Timeout: 30 * time.Second}
	res, err := client.Do(req)
	if err != nil {
		return 0, a, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err == nil {
		err = json.Unmarshal(text, &a)
	}
	return res.StatusCode, a, err
}

// must expects data without errors.
func (l line) must(query string, variables map[string]any, into any) {
	l.c.t.Helper()
	status, a, err := l.ask(query, variables)
	if err != nil || status != http.StatusOK || len(a.Errors) > 0 {
		l.c.t.Fatalf("%s: HTTP %d, %v, %v", query, status, a.Errors, err)
	}
	if into != nil {
		if err := json.Unmarshal(a.Data, into); err != nil {
			l.c.t.Fatalf("%s: %v in %s", query, err, a.Data)
		}
	}
}

// sent is a PaymentSendPayload.
type sent struct {
	Status      string
	Errors      []failure
	Transaction *struct {
		ID               string
		Status           string
		SettlementAmount int64
		SettlementFee    int64
	}
}

func (s sent) code() string {
	if len(s.Errors) == 0 {
		return ""
	}
	return s.Errors[0].Code
}

func sendQuery(mutation, inputType string) string {
	return `mutation($input: ` + inputType + `!) { sent: ` + mutation +
		`(input: $input) { status errors { message code } transaction { id status settlementAmount settlementFee } } }`
}

// send asks for a payment by one of the eleven mutations. It may be called from any goroutine.
func (l line) send(mutation, inputType string, input map[string]any) (sent, error) {
	_, a, err := l.ask(sendQuery(mutation, inputType), map[string]any{"input": input})
	if err != nil {
		return sent{}, err
	}
	var data struct{ Sent sent }
	if len(a.Errors) > 0 {
		return sent{}, payment.Errorf(payment.ReasonInternal, "top-level errors: %v", a.Errors)
	}
	err = json.Unmarshal(a.Data, &data)
	return data.Sent, err
}

func (c *customer) payInvoice(l line, invoice string) sent {
	c.t.Helper()
	c.sending.RLock()
	defer c.sending.RUnlock()
	got, err := l.send("lnInvoicePaymentSend", "LnInvoicePaymentInput", map[string]any{"walletId": c.wallet.String(), "paymentRequest": invoice})
	if err != nil {
		c.t.Error(err)
	}
	return got
}
