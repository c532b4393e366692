package grpcapi_test

import (
	"context"
	"testing"

	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
)

// Watches of health need no token, so one address has a bounded number of them; with the token they are not counted.
func TestWatchesOfHealthAreBounded(t *testing.T) {
	t.Parallel()
	server, trusted := production(t)
	probe := healthv1.NewHealthClient(server.dial(t, trusted))
	open := func(ctx context.Context) error {
		watch, err := probe.Watch(ctx, &healthv1.HealthCheckRequest{})
		must(t, err)
		_, err = watch.Recv()
		return err
	}
	few, end := context.WithCancel(t.Context())
	defer end()
	for range 32 {
		must(t, open(few))
	}
	wantCode(t, open(t.Context()), codes.ResourceExhausted)
	must(t, open(withAuthorization(t.Context(), "Bearer "+token)))
	_, err := probe.Check(t.Context(), &healthv1.HealthCheckRequest{})
	must(t, err)
	end()
	soon(t, "room after watches ended", func() bool { return open(t.Context()) == nil })
}
