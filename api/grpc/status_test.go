package grpcapi

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	paymentsv1 "github.com/holdfast-pay/holdfast/api/grpc/gen/holdfast/payments/v1"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/payment"
)

// reasons reads the constants of payment/failure.go.
func reasons(t *testing.T) []payment.Reason {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../../payment/failure.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var found []payment.Reason
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok && len(spec.Values) == 1 {
			if lit, ok := spec.Values[0].(*ast.BasicLit); ok && lit.Kind == token.STRING {
				value, _ := strconv.Unquote(lit.Value)
				found = append(found, payment.Reason(value))
			}
		}
		return true
	})
	if len(found) < 20 {
		t.Fatalf("found %v", found)
	}
	return found
}

// Every reason has a code that was chosen, and a word in the protocol; also those that come later.
func TestEveryReasonIsMapped(t *testing.T) {
	t.Parallel()
	for _, reason := range reasons(t) {
		if codeOf(reason) == codes.Internal && reason != payment.ReasonInternal {
			t.Errorf("%s has no status code: choose it in codeOf", reason)
		}
		if reasonOut(reason) == paymentsv1.Reason_REASON_UNSPECIFIED {
			t.Errorf("%s is not in the enum Reason of payments.proto", reason)
		}
	}
}

// A client author finds every reason in docs/grpc.md, in a row of its code, and nothing that cannot come.
func TestEveryReasonIsInTheDocs(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/grpc.md")
	if err != nil {
		t.Fatal(err)
	}
	told, code := map[payment.Reason]string{}, ""
	for _, line := range strings.Split(string(text), "\n") {
		row := strings.Split(line, "|")
		if len(row) != 5 {
			continue
		}
		if name := strings.Trim(row[1], " `"); name != "" {
			code = name
		}
		for _, word := range regexp.MustCompile("`([A-Z_]+)`").FindAllStringSubmatch(row[2], -1) {
			told[payment.Reason(word[1])] = code
		}
	}
	known := map[payment.Reason]bool{}
	for _, reason := range reasons(t) {
		known[reason] = true
		want := strings.ToUpper(regexp.MustCompile("([a-z])([A-Z])").ReplaceAllString(codeOf(reason).String(), "${1}_${2}"))
		if told[reason] != want {
			t.Errorf("docs/grpc.md has %s in the row of %q, it is answered with %s", reason, told[reason], want)
		}
	}
	for reason := range told {
		if !known[reason] {
			t.Errorf("docs/grpc.md tells of %s, which is no reason", reason)
		}
	}
}

func TestEveryWordIsInTheProtocol(t *testing.T) {
	t.Parallel()
	for _, state := range payment.States() {
		if back, err := stateIn(stateOut(state)); err != nil || back != state {
			t.Errorf("%s comes back as %q, %v", state, back, err)
		}
	}
	for _, window := range payment.Windows() {
		if back, err := windowIn(windowOut(window)); err != nil || back != window {
			t.Errorf("%s comes back as %q, %v", window, back, err)
		}
	}
	for _, kind := range []payment.Kind{payment.Lightning, payment.Onchain, payment.Intraledger} {
		if back, err := kindIn(kindOut(kind)); err != nil || back != kind {
			t.Errorf("%s comes back as %q, %v", kind, back, err)
		}
	}
	for _, speed := range []payment.Speed{payment.Fast, payment.Medium, payment.Slow, ""} {
		if back, err := speedIn(speedOut(speed)); err != nil || back != speed {
			t.Errorf("%s comes back as %q, %v", speed, back, err)
		}
	}
}

// grpcish is an error of a driver that has a status of its own.
type grpcish struct{}

func (grpcish) Error() string              { return "dial tcp 10.0.0.7: refused" }
func (grpcish) GRPCStatus() *status.Status { return status.New(codes.Unavailable, grpcish{}.Error()) }

// What a driver says never reaches a client.
func TestStatusOfForeignErrors(t *testing.T) {
	t.Parallel()
	cfg, err := Config{Development: true}.complete()
	if err == nil {
		t.Fatal("a config without a ledger is complete")
	}
	g := &gate{cfg: cfg}
	late, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	unreachable := payment.Errorf(payment.ReasonUnavailable, "Try again.").Because(grpcish{})
	for name, try := range map[string]struct {
		ctx  context.Context
		err  error
		want codes.Code
	}{
		"a driver's, wrapped":          {t.Context(), fmt.Errorf("read: %w", grpcish{}), codes.Internal},
		"any":                          {t.Context(), errors.New("pq: 10.0.0.7"), codes.Internal},
		"as a cause":                   {t.Context(), unreachable, codes.Unavailable},
		"as a cause, too late":         {late, unreachable, codes.DeadlineExceeded},
		"a refusal that came too late": {late, payment.Errorf(payment.ReasonDust, "Too small."), codes.InvalidArgument},
		"any, too late":                {late, errors.New("pq: 10.0.0.7"), codes.DeadlineExceeded},
	} {
		answer := g.statusOf(try.ctx, try.err)
		if answer.Code() != try.want || strings.Contains(answer.Proto().String(), "10.0.0.7") {
			t.Errorf("%s: %v", name, answer)
		}
	}
}

// FuzzPageToken: whatever is given is a cursor or a refusal, and ours come back.
func FuzzPageToken(f *testing.F) {
	f.Add(tokenOf(ledger.Cursor{CreatedAt: time.Unix(1_800_000_000, 123_456_000), ID: uuid.New()}))
	f.Add("")
	f.Add("MSAy")
	f.Fuzz(func(t *testing.T, token string) {
		cursor, err := cursorOf(token)
		if err != nil {
			if payment.ReasonOf(err) != payment.ReasonInvalidInput {
				t.Fatal(err)
			}
			return
		}
		back, err := cursorOf(tokenOf(*cursor))
		if err != nil || !back.CreatedAt.Equal(cursor.CreatedAt) || back.ID != cursor.ID {
			t.Fatalf("%v, %v came back as %v", cursor, err, back)
		}
	})
}
