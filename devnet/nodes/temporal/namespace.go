package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

const registerWithin = 60 * time.Second

// register creates the namespace and its search attributes where they are missing.
func (s settings) register(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, registerWithin)
	defer cancel()
	conn, err := grpc.NewClient(s.address, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.WaitForReady(true)))
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = workflowservice.NewWorkflowServiceClient(conn).RegisterNamespace(ctx, &workflowservice.RegisterNamespaceRequest{
		Namespace: s.namespace, WorkflowExecutionRetentionPeriod: durationpb.New(s.retention),
	})
	if exists := (*serviceerror.NamespaceAlreadyExists)(nil); err != nil && !errors.As(serviceerror.FromStatus(status.Convert(err)), &exists) {
		return fmt.Errorf("register namespace %s: %w", s.namespace, err)
	}
	// The namespace is known everywhere once the caches have been read again.
	return retry(ctx, func() error { return s.registerAttributes(ctx, operatorservice.NewOperatorServiceClient(conn)) })
}

func (s settings) registerAttributes(ctx context.Context, operator operatorservice.OperatorServiceClient) error {
	have, err := operator.ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: s.namespace})
	if err != nil {
		return err
	}
	missing := map[string]enums.IndexedValueType{}
	for name, text := range s.attributes {
		kind, err := enums.IndexedValueTypeFromString(text)
		if err != nil {
			return permanent{fmt.Errorf("search attribute %s: %w", name, err)}
		}
		old, ok := have.GetCustomAttributes()[name]
		if ok && old != kind {
			return permanent{fmt.Errorf("search attribute %s is %s in the database and %s here: start afresh or rename it", name, old, kind)}
		}
		if !ok {
			missing[name] = kind
		}
	}
	if len(missing) == 0 {
		return nil
	}
	_, err = operator.AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{Namespace: s.namespace, SearchAttributes: missing})
	return err
}

// permanent marks an error that no retry helps.
type permanent struct{ error }

func (p permanent) Unwrap() error { return p.error }

func retry(ctx context.Context, do func() error) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		err := do()
		if stop := (permanent{}); err == nil || errors.As(err, &stop) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("search attributes could not be registered: %w", err)
		case <-tick.C:
		}
	}
}
