package graphqlapi

import (
	"context"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/handler/transport"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/holdfast-pay/holdfast/identity"
	"github.com/holdfast-pay/holdfast/payment"
)

// connection is what belongs to one WebSocket. What is not under the mutex is set before the first operation.
type connection struct {
	conn   transport.WebsocketConn
	cancel context.CancelFunc
	again  func(ctx context.Context) (context.Context, error) // finds out anew who this is
	leave  func()                                             // gives the account's place back; nil for nobody

	nobody   bool
	idleTime time.Duration

	mu      sync.Mutex
	running int         // operations
	busy    int         // those of them that keep the connection open
	idle    *time.Timer // nil before the connection is initialised, and after its end
}

type connectionKey struct{}

// connectionOf is the WebSocket of an operation; nil over HTTP.
func connectionOf(ctx context.Context) *connection {
	c, _ := ctx.Value(connectionKey{}).(*connection)
	return c
}

// wait begins the time that the connection may be idle.
func (c *connection) wait(nobody bool, idleTime time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nobody, c.idleTime = nobody, idleTime
	c.idle = time.AfterFunc(idleTime, func() {
		c.mu.Lock()
		busy := c.busy > 0
		c.mu.Unlock()
		if !busy {
			c.end(transport.WebsocketCloseNormalClosure, "Idle")
		}
	})
}

// begin counts an operation in until ctx ends; false if there are too many. Queries do not keep nobody's connection open.
func (c *connection) begin(ctx context.Context, kind ast.Operation, most int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running >= most {
		return false
	}
	keeps := 0
	if kind == ast.Subscription || !c.nobody {
		keeps = 1
	}
	c.running++
	c.busy += keeps
	if c.idle != nil && c.busy > 0 {
		c.idle.Stop()
	}
	context.AfterFunc(ctx, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.running--
		c.busy -= keeps
		if keeps > 0 && c.busy == 0 && c.idle != nil {
			c.idle.Reset(c.idleTime)
		}
	})
	return true
}

// end closes the connection with a code, and ends what runs on it. gqlgen could only close it as if nothing had been wrong.
func (c *connection) end(code int, reason string) {
	_ = c.conn.WriteClose(code, reason) // it does not wait for the client
	c.cancel()
}

// closed gives back what the connection held.
func (c *connection) closed() {
	c.mu.Lock()
	if c.idle != nil {
		c.idle.Stop()
		c.idle = nil
	}
	c.mu.Unlock()
	if c.leave != nil {
		c.leave()
	}
}

// lastWord answers an error and then closes the connection.
func (c *connection) lastWord(err *gqlerror.Error, code int, reason string) graphql.ResponseHandler {
	told := false
	return func(context.Context) *graphql.Response {
		if !told {
			told = true
			return &graphql.Response{Errors: gqlerror.List{err}}
		}
		c.end(code, reason) // the answer has been written
		return nil
	}
}

// onSocket is invariants 8 and 9: what comes before the guard on a WebSocket.
func (r *resolver) onSocket(ctx context.Context, next graphql.OperationHandler) graphql.ResponseHandler {
	c, kind := connectionOf(ctx), graphql.GetOperationContext(ctx).Operation.Operation
	refused := func(err *gqlerror.Error) graphql.ResponseHandler {
		return graphql.OneShot(&graphql.Response{Errors: gqlerror.List{err}})
	}
	if kind == ast.Mutation {
		return refused(topLevel(ctx, codeInput, "Mutations are served over HTTP, at /graphql."))
	}
	if !c.begin(ctx, kind, r.Limits.Subscriptions) {
		return refused(topLevel(ctx, codeTooMany, "Too many operations at once on this connection. Complete one, or open another connection."))
	}
	fresh, err := c.again(ctx)
	switch {
	case payment.IsReason(err, payment.ReasonUnauthenticated):
		r.Log.InfoContext(ctx, "a subscriber's credentials are no longer good")
		return c.lastWord(r.present(ctx, err), closeForbidden, "Forbidden")
	case err != nil: // it cannot be told now who this is
		return refused(r.present(ctx, err))
	}
	return next(fresh)
}

// stillMay asks whether the credentials of a running subscription still allow it. Errors: ReasonUnauthenticated if not; others
// where that cannot be found out now.
func stillMay(ctx context.Context) error {
	fresh, err := connectionOf(ctx).again(ctx)
	if err != nil {
		return err
	}
	if refused := admit(identity.PrincipalFrom(fresh), graphql.GetOperationContext(ctx)); refused != nil {
		return payment.Errorf(payment.ReasonUnauthenticated, "%s", refused.Message)
	}
	return nil
}

// census counts the open connections of a subject.
type census struct {
	mu   sync.Mutex
	open map[string]int
}

// enter takes a place; false if the subject has as many as it may.
func (s *census) enter(subject string, most int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[subject] >= most {
		return false
	}
	if s.open == nil {
		s.open = map[string]int{}
	}
	s.open[subject]++
	return true
}

// leave gives it back, and forgets subjects that have none.
func (s *census) leave(subject string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[subject]--; s.open[subject] <= 0 {
		delete(s.open, subject)
	}
}
