package payment

// Scope is what an API key or a token may do (docs/auth.md, "Scopes").
type Scope string

// Scopes. None implies another: WRITE alone may not read.
const (
	ScopeRead    Scope = "READ"    // queries
	ScopeReceive Scope = "RECEIVE" // create invoices and addresses
	ScopeWrite   Scope = "WRITE"   // send, change the account, and what RECEIVE allows
)

// Scopes lists all scopes, in the order in which they are shown.
func Scopes() []Scope { return []Scope{ScopeRead, ScopeReceive, ScopeWrite} }
