package worker_test

import (
	"context"
	"log/slog"
	"testing"

	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"

	"github.com/holdfast-pay/holdfast/lndclient"
	"github.com/holdfast-pay/holdfast/starter"
	"github.com/holdfast-pay/holdfast/worker"
)

// A worker that is told to stop while it waits for Temporal ends as one that has served.
func TestStoppedWhileItStarts(t *testing.T) {
	t.Parallel()
	quiet := slog.New(slog.DiscardHandler)
	away, err := client.NewLazyClient(client.Options{HostPort: "127.0.0.1:1", Logger: sdklog.NewStructuredLogger(quiet)})
	if err != nil {
		t.Fatal(err)
	}
	defer away.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err = worker.Run(ctx, worker.Config{
		Temporal: away, Starter: starter.New(away, nil, starter.DefaultConfig(lndclient.Regtest, nil), quiet), Network: lndclient.Regtest, Log: quiet,
	})
	if err != nil {
		t.Fatal(err)
	}
}
