package grpcapi

//go:generate go tool -modfile=../../tools/buf/go.mod buf generate ../../proto --template ../../proto/buf.gen.yaml
