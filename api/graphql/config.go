package graphqlapi

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/holdfast-pay/holdfast/api"
	"github.com/holdfast-pay/holdfast/api/limit"
	"github.com/holdfast-pay/holdfast/callback"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/starter"
	"github.com/holdfast-pay/holdfast/telemetry"
)

// Config is what the door needs. Fields without a remark are mandatory.
type Config struct {
	Starter *starter.Starter
	Ledger  *ledger.Ledger
	// Changes wakes subscriptions, and has them look now and then. nil: they look every Limits.LookEvery.
	Changes *ledger.Changes
	// Authenticate finds out who opens a WebSocket, from connection parameters that are given as headers.
	Authenticate api.Authenticate
	// Issuer signs the tokens of the development login. nil outside development: userLogin is refused.
	Issuer Issuer
	// Limiter bounds how often an account, key or address asks. nil: no limits.
	Limiter limit.Limiter
	// Prices quotes bitcoin. nil: there is no price, and what needs one says so.
	Prices Prices

	// Development allows introspection and names what a misspelt field may have meant.
	Development bool
	// Network is mainnet, testnet, testnet4, signet or regtest.
	Network string
	// LightningDomain is behind the @ of our users' lightning addresses. May be empty.
	LightningDomain string
	// NodeIDs are the public keys of our lightning nodes, for clients to show. May be empty.
	NodeIDs []string
	// SecretPrefix begins the secrets of API keys: "dev" in development.
	SecretPrefix string
	// Callbacks gives the secrets of callback endpoints. Without a master secret none can be added.
	Callbacks callback.Secrets
	// Origins of web pages that may open WebSockets, as host patterns. Empty: all, since no cookie speaks for a user.
	Origins []string

	// Limits on operations and sockets. Zero values are replaced by the defaults.
	Limits Limits
	// Clock is time.Now outside tests. nil: that.
	Clock func() time.Time
	// Counts is what fields and errors are counted with. nil: they are not.
	Counts *telemetry.Metrics
	// Log for what an operator may want to know. nil: none.
	Log *slog.Logger
}

// Issuer signs a session's token for an account: identity.DevIssuer.
type Issuer interface {
	Mint(account payment.AccountID, ttl time.Duration) (token string, err error)
}

// Limits on what one operation and one connection may take.
type Limits struct {
	QueryBytes    int           // a document: 32 KiB
	Tokens        int           // of a document: 2,000
	Depth         int           // nested fields: 15
	Fields        int           // fields with every fragment spread out: 1,000
	Fragments     int           // of a document: 50
	Pairs         int           // fields that name one place in the answer, compared with each other: 5,000
	RootFields    int           // fields at the top, aliases included: 20
	Complexity    int           // fields, times the length of pages: 20,000
	QueryTime     time.Duration // for a query to be answered: 15 s. Mutations are not cut off: they have waits of their own
	Subscriptions int           // at once on one connection: 20
	// Connections that are open at once. Zero: 32 of each.
	SocketsPerAddress, SocketsPerAccount int
	// AnonymousIdle is for how long nobody's connection may have no running subscription: 30 s. Idle is for how long another's
	// may have no operation: 5 min.
	AnonymousIdle, Idle time.Duration
	MessageBytes        int64         // a message of a WebSocket: 64 KiB
	InitTime            time.Duration // for connection_init after the upgrade: 10 s
	PingEvery           time.Duration // a ping, for what lies between to keep the connection: 20 s
	WriteTime           time.Duration // for a client to take one message: 10 s
	PriceEvery          time.Duration // prices in myUpdates: 30 s
	LookEvery           time.Duration // without Changes: how often subscriptions look for news: 2 s
}

func (l Limits) complete() Limits {
	l.QueryBytes = or(l.QueryBytes, 32<<10)
	l.Tokens = or(l.Tokens, 2_000)
	l.Depth = or(l.Depth, 15)
	l.Fields = or(l.Fields, 1_000)
	l.Fragments = or(l.Fragments, 50)
	l.Pairs = or(l.Pairs, 5_000)
	l.RootFields = or(l.RootFields, 20)
	l.Complexity = or(l.Complexity, 20_000)
	l.QueryTime = or(l.QueryTime, 15*time.Second)
	l.Subscriptions = or(l.Subscriptions, 20)
	l.SocketsPerAddress = or(l.SocketsPerAddress, 32)
	l.SocketsPerAccount = or(l.SocketsPerAccount, 32)
	l.AnonymousIdle = or(l.AnonymousIdle, 30*time.Second)
	l.Idle = or(l.Idle, 5*time.Minute)
	l.MessageBytes = or(l.MessageBytes, 64<<10)
	l.InitTime = or(l.InitTime, 10*time.Second)
	l.PingEvery = or(l.PingEvery, 20*time.Second)
	l.WriteTime = or(l.WriteTime, 10*time.Second)
	l.PriceEvery = or(l.PriceEvery, 30*time.Second)
	l.LookEvery = or(l.LookEvery, 2*time.Second)
	return l
}

func or[T comparable](value, otherwise T) T {
	var zero T
	if value == zero {
		return otherwise
	}
	return value
}

// complete fills in what is not set, and refuses what cannot be served. All mistakes are named.
func (c Config) complete() (Config, error) {
	var mistakes []error
	missing := func(absent bool, what string) {
		if absent {
			mistakes = append(mistakes, errors.New("graphqlapi.Config: "+what))
		}
	}
	missing(c.Starter == nil, "Starter is missing")
	missing(c.Ledger == nil, "Ledger is missing")
	missing(c.Authenticate == nil, "Authenticate is missing")
	missing(c.SecretPrefix == "", "SecretPrefix is missing")
	missing(c.Issuer != nil && !c.Development, "an Issuer is for development only")
	_, known := networks[c.Network]
	missing(!known, "Network must be mainnet, testnet, testnet4, signet or regtest")
	c.Limits = c.Limits.complete()
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c, errors.Join(mistakes...)
}

// Prices quotes bitcoin and dollars in a currency.
type Prices interface {
	// Quote is the price now, in the minor unit of the currency (ISO 4217 code). Errors: ReasonNoPrice if there is none, it
	// is stale, or the currency is not known.
	Quote(ctx context.Context, currency string) (Quote, error)
}

// Quote is a price as clients take it: base / 10^offset minor units.
type Quote struct {
	Currency Currency
	At       time.Time
	Sat      Rate // of one satoshi
	Cent     Rate // of one US cent
}

// Rate is Base / 10^Offset.
type Rate struct {
	Base   int64
	Offset int
}

// Currency is how a currency is shown.
type Currency struct {
	Code           string // ISO 4217
	Symbol         string
	Name           string
	Flag           string
	FractionDigits int // between its major and its minor unit
}
