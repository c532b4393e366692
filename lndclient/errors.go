package lndclient

import (
	"errors"

	"github.com/holdfast-pay/holdfast/payment"
)

// ErrorKind says what may have happened when a call to LND failed.
type ErrorKind string

// Kinds of error. Only NotFound, Refused and AlreadyExists are answers of LND; the other two are silence.
const (
	KindNotFound      ErrorKind = "not_found"      // LND does not know it
	KindRefused       ErrorKind = "refused"        // LND said no, and did nothing
	KindAlreadyExists ErrorKind = "already_exists" // LND has it already
	KindUnavailable   ErrorKind = "unavailable"    // not connected, or LND is starting: the call may not have arrived, or may have
	KindUnknown       ErrorKind = "unknown"        // cut off, timed out, or an answer that we do not understand
)

// Sentinels for errors.Is: an *Error matches the one of its kind.
var (
	ErrNotFound      = &Error{Kind: KindNotFound}
	ErrRefused       = &Error{Kind: KindRefused}
	ErrAlreadyExists = &Error{Kind: KindAlreadyExists}
	ErrUnavailable   = &Error{Kind: KindUnavailable}
	ErrUnknown       = &Error{Kind: KindUnknown}
)

// Error is a failed call to LND. Its text may hold LND's words and is for logs only.
type Error struct {
	Kind  ErrorKind
	Call  string         // the lnrpc method
	Why   payment.Reason // for KindRefused: what LND objected to, where we know
	Cause error
}

// Error prints the call, the kind and LND's words.
func (e *Error) Error() string {
	text := "lnd: " + e.Call + ": " + string(e.Kind)
	if e.Why != "" {
		text += " (" + string(e.Why) + ")"
	}
	if e.Cause != nil {
		text += ": " + e.Cause.Error()
	}
	return text
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Is matches the sentinel of the same kind.
func (e *Error) Is(target error) bool {
	other, ok := target.(*Error)
	return ok && other.Call == "" && other.Kind == e.Kind
}

// WhyRefused returns LND's objection, "" where err is not a refusal.
func WhyRefused(err error) payment.Reason {
	if coded, ok := errors.AsType[*Error](err); ok && coded.Kind == KindRefused {
		return coded.Why
	}
	return ""
}
