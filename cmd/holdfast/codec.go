package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/holdfast-pay/holdfast/cmd/holdfast/settings"
	"github.com/holdfast-pay/holdfast/payment"
)

type codecCommand struct {
	settings.Codec
}

// Run serves until ctx ends.
func (c *codecCommand) Run(ctx context.Context, d *deps) error {
	d.log = newLog(d.print.Err, d.logLevel, slog.LevelInfo)
	told, err := d.settings.ForCodec()
	if err != nil {
		return err
	}
	keys, err := d.payloadKeys()
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", told.Listen)
	if err != nil {
		return payment.Errorf(payment.ReasonInvalidInput, "%s cannot be listened on: another process has it, or it is not ours. Choose another --listen.", told.Listen).Because(err)
	}
	server := &http.Server{
		Handler: keys.Handler(told.Origins), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 20 * time.Second, WriteTimeout: 20 * time.Second, IdleTimeout: time.Minute,
	}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	d.log.Info("payloads are opened", "url", "http://"+listener.Addr().String()+"/decode", "origins", told.Origins)
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return payment.Errorf(payment.ReasonUnavailable, "The endpoint ended.").Because(err)
	}
	return nil
}
