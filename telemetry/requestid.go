package telemetry

import (
	"context"

	"github.com/google/uuid"
)

type requestIDKey struct{}

// WithRequestID puts the id of the request that all this is about into a context.
func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestIDKey{}, id)
}

// RequestID is the id of the request, empty if there is none.
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// NewRequestID makes one.
func NewRequestID() string { return uuid.NewString() }

// maxRequestID is the longest id that is taken from a caller.
const maxRequestID = 64

// SaneRequestID reports whether an id of a caller may be used: short, and of characters that need no quoting anywhere.
func SaneRequestID(id string) bool {
	for _, c := range []byte(id) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return id != "" && len(id) <= maxRequestID
}
