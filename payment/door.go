package payment

// Door is the entrance that a payment came by: a mutation of the API, a gRPC method, or the command line.
type Door string

// Doors that exist outside the GraphQL mutations.
const (
	DoorCLI  Door = "cli"
	DoorGo   Door = "go"
	DoorGRPC Door = "grpc" // holdfast.payments.v1 Start
)

// The eleven payment mutations of the GraphQL API, by their names in the schema.
const (
	DoorIntraLedger        Door = "intraLedgerPaymentSend"
	DoorIntraLedgerUsd     Door = "intraLedgerUsdPaymentSend"
	DoorInvoice            Door = "lnInvoicePaymentSend"
	DoorNoAmountInvoice    Door = "lnNoAmountInvoicePaymentSend"
	DoorNoAmountUsdInvoice Door = "lnNoAmountUsdInvoicePaymentSend"
	DoorLnurl              Door = "lnurlPaymentSend"
	DoorLnAddress          Door = "lnAddressPaymentSend"
	DoorOnchain            Door = "onChainPaymentSend"
	DoorOnchainUsd         Door = "onChainUsdPaymentSend"
	DoorOnchainUsdAsBtc    Door = "onChainUsdPaymentSendAsBtcDenominated"
	DoorOnchainAll         Door = "onChainPaymentSendAll"
)

// MutationDoors lists the eleven payment mutations.
func MutationDoors() []Door {
	return []Door{
		DoorIntraLedger, DoorIntraLedgerUsd, DoorInvoice, DoorNoAmountInvoice, DoorNoAmountUsdInvoice, DoorLnurl, DoorLnAddress,
		DoorOnchain, DoorOnchainUsd, DoorOnchainUsdAsBtc, DoorOnchainAll,
	}
}
