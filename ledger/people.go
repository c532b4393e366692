package ledger

import (
	"context"
	"regexp"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/holdfast-pay/holdfast/ledger/internal/db"
	"github.com/holdfast-pay/holdfast/payment"
)

// User is the one user of an account: the account with its profile.
type User struct {
	AccountID       payment.AccountID
	Phone           string // E.164; empty unless it logged in by phone
	Username        string // lower case; empty until chosen
	Language        string // like "en" or "pt-BR"; empty until chosen
	DisplayCurrency string // like "USD"
	DefaultWalletID payment.WalletID
	CreatedAt       time.Time
}

// These say in Go what the checks of accounts say in SQL, for messages that tell what to do.
var (
	phoneForm    = regexp.MustCompile(`^\+[1-9][0-9]{5,14}$`)
	usernameForm = regexp.MustCompile(`^[a-z][a-z0-9_]{2,49}$`)
	addressLike  = regexp.MustCompile(`^(bc1|lnbc1)`)
	languageForm = regexp.MustCompile(`^([a-z]{2,3}(-[A-Za-z0-9]{2,8})?)?$`)
	currencyForm = regexp.MustCompile(`^[A-Z]{3,4}$`)
)

func noAccount() *payment.Error {
	return payment.Errorf(payment.ReasonAccountNotFound, "There is no such account. Check its id or username.")
}

// Login finds the account of a phone, or creates it with one BTC and one USD wallet, BTC by default, in one transaction.
// Whoever calls has checked that the phone is the caller's. Errors: ReasonInvalidInput (not a phone number).
func (l *Ledger) Login(ctx context.Context, phone string) (User, error) {
	if !phoneForm.MatchString(phone) {
		return User{}, payment.Errorf(payment.ReasonInvalidInput, "Write the phone number with + and the country's code, like +16505550123.")
	}
	row, err := l.q.AccountOfPhone(ctx, db.AccountOfPhoneParams{
		Phone: phone, NewID: payment.NewID(), Btc: payment.NewID(), Usd: payment.NewID(), Given: l.given(),
	})
	return userOf(row), coded(err)
}

// EnsureAccount is User for an account that an identity provider vouches for: at the first time it is created, and gets
// the wallets that it lacks, one BTC and one USD, BTC by default. Errors: ReasonInvalidInput (the zero id).
func (l *Ledger) EnsureAccount(ctx context.Context, account payment.AccountID) (User, error) {
	if account == (payment.AccountID{}) {
		return User{}, payment.Errorf(payment.ReasonInvalidInput, "The zero id cannot be an account. Use another one.")
	}
	row, err := l.q.EnsureAccount(ctx, db.EnsureAccountParams{ID: account, Btc: payment.NewID(), Usd: payment.NewID(), Given: l.given()})
	return userOf(row), coded(err)
}

// User reads an account's profile; what was never set is its default. Errors: ReasonAccountNotFound.
func (l *Ledger) User(ctx context.Context, account payment.AccountID) (User, error) {
	row, err := l.q.Account(ctx, account)
	if err != nil {
		return User{}, found(err, noAccount())
	}
	return l.completed(ctx, row)
}

// UserByUsername finds a user, whatever the case. Errors: ReasonAccountNotFound.
func (l *Ledger) UserByUsername(ctx context.Context, username string) (User, error) {
	row, err := l.q.AccountOfUsername(ctx, strings.ToLower(username))
	if err != nil {
		return User{}, found(err, noAccount())
	}
	return l.completed(ctx, row)
}

// completed fills in the wallet that is the default where none was chosen; an account without wallets has none.
func (l *Ledger) completed(ctx context.Context, row db.Account) (User, error) {
	u := userOf(row)
	if row.DefaultWalletID.Valid {
		return u, nil
	}
	first, err := l.q.FirstWallet(ctx, row.ID)
	if err != nil && !isNoRows(err) {
		return User{}, coded(err)
	}
	u.DefaultWalletID = first
	return u, nil
}

func userOf(row db.Account) User {
	return User{
		AccountID: row.ID, Phone: orZero(row.Phone), Username: orZero(row.Username), Language: row.Language,
		DisplayCurrency: row.DisplayCurrency, DefaultWalletID: row.DefaultWalletID.UUID, CreatedAt: row.CreatedAt,
	}
}

// SetUsername gives the account its name, in lower case, once: others pay to it. The same name again is no error. Errors:
// ReasonInvalidInput (its form, taken, or another was set before), ReasonAccountNotFound.
func (l *Ledger) SetUsername(ctx context.Context, account payment.AccountID, username string) error {
	username = strings.ToLower(username)
	if !usernameForm.MatchString(username) || addressLike.MatchString(username) {
		return payment.Errorf(payment.ReasonInvalidInput,
			"A username must have 3 to 50 letters, digits and underscores, begin with a letter and not look like a bitcoin address.")
	}
	changed, err := l.q.SetUsername(ctx, db.SetUsernameParams{ID: account, Username: username})
	if violates(err, "accounts_username") {
		return payment.Errorf(payment.ReasonInvalidInput, "The username %s is taken. Choose another one.", username).Because(err)
	}
	if err != nil || changed > 0 {
		return coded(err)
	}
	if _, err := l.User(ctx, account); err != nil {
		return err
	}
	return payment.Errorf(payment.ReasonInvalidInput, "A username cannot be changed once it is set, and this account has one. Keep it.")
}

// SetDisplayCurrency chooses the currency that amounts are shown in. Errors: ReasonInvalidInput, ReasonAccountNotFound.
func (l *Ledger) SetDisplayCurrency(ctx context.Context, account payment.AccountID, currency string) error {
	if !currencyForm.MatchString(currency) {
		return payment.Errorf(payment.ReasonInvalidInput, "Give the currency by its code in three or four capital letters, like USD.")
	}
	changed, err := l.q.SetDisplayCurrency(ctx, db.SetDisplayCurrencyParams{ID: account, DisplayCurrency: currency})
	return changedOne(changed, err, noAccount())
}

// SetLanguage chooses a language by its tag, like "en" or "pt-BR"; empty: none. Errors: ReasonInvalidInput,
// ReasonAccountNotFound.
func (l *Ledger) SetLanguage(ctx context.Context, account payment.AccountID, language string) error {
	if !languageForm.MatchString(language) {
		return payment.Errorf(payment.ReasonInvalidInput, "Give the language by its tag, like en or pt-BR.")
	}
	changed, err := l.q.SetLanguage(ctx, db.SetLanguageParams{ID: account, Language: language})
	return changedOne(changed, err, noAccount())
}

// SetDefaultWallet chooses one of the account's own wallets. Errors: ReasonWalletNotFound, also for another owner's.
func (l *Ledger) SetDefaultWallet(ctx context.Context, account payment.AccountID, wallet payment.WalletID) error {
	changed, err := l.q.SetDefaultWallet(ctx, db.SetDefaultWalletParams{ID: account, WalletID: wallet})
	return changedOne(changed, err, payment.Errorf(payment.ReasonWalletNotFound, "Invalid walletId for account."))
}

// changedOne answers missing where a statement about one row found none.
func changedOne(changed int64, err error, missing *payment.Error) error {
	if err == nil && changed == 0 {
		return missing
	}
	return coded(err)
}

// Contact is somebody with a username whom an account has paid by transfers inside the ledger.
type Contact struct {
	AccountID    payment.AccountID
	Username     string
	Transactions int64     // transfers that have settled
	CreatedAt    time.Time // of the first
}

// maxContacts bounds the list; the newest are kept in it.
const maxContacts = 1000

// Contacts lists whom an account has paid by username, the newest acquaintance first, at most 1000.
func (l *Ledger) Contacts(ctx context.Context, account payment.AccountID) ([]Contact, error) {
	rows, err := l.q.Contacts(ctx, db.ContactsParams{AccountID: account, MaxRows: maxContacts})
	out := make([]Contact, len(rows))
	for i, row := range rows {
		out[i] = Contact{AccountID: row.ContactID, Username: row.Username, Transactions: row.TransactionsCount, CreatedAt: row.CreatedAt}
	}
	return out, coded(err)
}

// Callback is an address that an account wants to be called at when something happens.
type Callback struct {
	ID        uuid.UUID
	AccountID payment.AccountID
	URL       string
	CreatedAt time.Time
}

// Callbacks lists an account's callback endpoints, oldest first.
func (l *Ledger) Callbacks(ctx context.Context, account payment.AccountID) ([]Callback, error) {
	rows, err := l.q.Callbacks(ctx, account)
	out := make([]Callback, len(rows))
	for i, row := range rows {
		out[i] = callbackOf(row)
	}
	return out, coded(err)
}

// AddCallback adds an endpoint; whoever calls has checked the URL. Errors: ReasonInvalidInput (no URL, or more than 2000
// characters, or the account has ten already), ReasonAccountNotFound.
func (l *Ledger) AddCallback(ctx context.Context, account payment.AccountID, url string) (Callback, error) {
	row, err := l.q.AddCallback(ctx, db.AddCallbackParams{ID: payment.NewID(), AccountID: account, Url: url, Given: l.given()})
	switch {
	case violates(err, "callback_endpoints_account_id_fkey"):
		return Callback{}, noAccount()
	case violates(err, "callback_endpoints_url_check"):
		return Callback{}, payment.Errorf(payment.ReasonInvalidInput, "A callback URL must have 1 to 2000 characters.").Because(err)
	}
	return callbackOf(row), coded(err)
}

// DeleteCallback takes one away. Errors: ReasonInvalidInput if the account has no such endpoint.
func (l *Ledger) DeleteCallback(ctx context.Context, account payment.AccountID, id uuid.UUID) error {
	changed, err := l.q.DeleteCallback(ctx, db.DeleteCallbackParams{ID: id, AccountID: account})
	return changedOne(changed, err, payment.Errorf(payment.ReasonInvalidInput, "There is no such callback endpoint. Check its id."))
}

func callbackOf(row db.CallbackEndpoint) Callback {
	return Callback{ID: row.ID, AccountID: row.AccountID, URL: row.Url, CreatedAt: row.CreatedAt}
}
