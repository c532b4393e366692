package main

import (
	"github.com/temporalio/ui-server/v2/server"
	"github.com/temporalio/ui-server/v2/server/config"
	"github.com/temporalio/ui-server/v2/server/server_options"
)

// startUI serves the web UI, if it has an address. The channel tells that it failed.
func (s settings) startUI() (*server.Server, <-chan error, error) {
	if s.uiAddress == "" {
		return nil, nil, nil
	}
	host, port, err := splitAddress(s.uiAddress)
	if err != nil {
		return nil, nil, err
	}
	ui := server.NewServer(server_options.WithConfigProvider(&config.Config{
		TemporalGRPCAddress: s.address,
		Host:                host,
		Port:                port,
		EnableUI:            true,
		DefaultNamespace:    s.namespace,
		DisableNewsFetch:    true,
		HideLogs:            true,
		CORS:                config.CORS{CookieInsecure: true},
	}))
	failed := make(chan error, 1)
	go func() {
		if err := ui.Start(); err != nil {
			failed <- err
		}
	}()
	return ui, failed, nil
}
