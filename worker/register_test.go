package worker

import (
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/holdfast-pay/holdfast/activities"
)

// registered notes what a worker would serve, by name.
type registered struct {
	worker.Registry
	workflows, activities map[string]any
	behaviors             map[string]workflow.VersioningBehavior
}

func (r registered) RegisterWorkflowWithOptions(fn any, o workflow.RegisterOptions) {
	r.workflows[o.Name] = fn
	r.behaviors[o.Name] = o.VersioningBehavior
}

func (r registered) RegisterActivityWithOptions(fn any, o activity.RegisterOptions) {
	r.activities[o.Name] = fn
}

func everything() registered {
	r := registered{workflows: map[string]any{}, activities: map[string]any{}, behaviors: map[string]workflow.VersioningBehavior{}}
	registerPayments(r, &activities.LedgerSteps{})
	registerWatchers(r, &activities.UpkeepSteps{}, &activities.DispatchSteps{})
	registerCallbacks(r, &activities.CallbackSteps{})
	registerNode(r, &activities.NodeSteps{}, &activities.WatchSteps{})
	return r
}

// What may wait for days must not be pinned, or its build lives as long.
func TestWhatWaitsFollowsPromotion(t *testing.T) {
	t.Parallel()
	long := map[string]bool{"Lightning": true, "Onchain": true, "BudgetLock": true, "WatchNode": true, "Reconcile": true, "ReconcileNode": true,
		"DispatchCallbacks": true, "DeliverCallback": true}
	for name, behavior := range everything().behaviors {
		if want := map[bool]workflow.VersioningBehavior{true: followsPromotion, false: staysOnItsBuild}[long[name]]; behavior != want {
			t.Errorf("%s has behavior %v, want %v", name, behavior, want)
		}
	}
}

// Invariant 1: every step of the contract is served, by a method of its own name, and nothing else is.
func TestEveryStepIsServed(t *testing.T) {
	t.Parallel()
	served := everything().activities
	names := stepNames(t)
	for _, name := range names {
		fn, ok := served[name]
		if !ok {
			t.Errorf("step %s has no activity", name)
			continue
		}
		if method := funcName(fn); method != name {
			t.Errorf("step %s is served by %s", name, method)
		}
	}
	if len(served) != len(names) {
		t.Errorf("%d activities for %d steps", len(served), len(names))
	}
}

// A client starts a workflow by its function: the name that the SDK derives must be the registered one.
func TestWorkflowsAreServedByTheirNames(t *testing.T) {
	t.Parallel()
	for name, fn := range everything().workflows {
		if derived := funcName(fn); derived != name {
			t.Errorf("workflow %s is served by %s", name, derived)
		}
	}
}

func funcName(fn any) string {
	full := strings.TrimSuffix(runtime.FuncForPC(reflect.ValueOf(fn).Pointer()).Name(), "-fm")
	return full[strings.LastIndex(full, ".")+1:]
}

// stepNames reads the constants of activities/step whose value is their own name.
func stepNames(t *testing.T) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../activities/step/step.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 || spec.Type != nil {
			return true
		}
		if lit, ok := spec.Values[0].(*ast.BasicLit); ok && lit.Kind == token.STRING {
			value, _ := strconv.Unquote(lit.Value)
			if value == spec.Names[0].Name {
				names = append(names, value)
			}
		}
		return true
	})
	if len(names) < 10 {
		t.Fatalf("only %v were found", names)
	}
	return names
}
