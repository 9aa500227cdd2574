package engine

import (
	"slices"
	"testing"
)

// The Go backend's two executors give each half of a call's tokens to one core; their results are those of one executor that goes through the same batches.
func TestExecutorsAgreeWithOne(t *testing.T) {
	b := backends(t)["go"]
	cfg := smallConfigs()["llama"]
	e := newEngine(t, randomModel(cfg, 5), b, Options{RowTokens: 64, BatchTokens: 512})
	if n := len(e.replicas); n != goExecutors {
		t.Fatalf("%d executors on the Go backend, want %d", n, goExecutors)
	}
	seqs := headed(5, cfg.Vocab, 1)
	batches := pack(seqs, e.packing(false, false))
	if len(batches) < 2 {
		t.Fatalf("%d tokens are in one batch: nothing for a second executor", totalTokens(seqs))
	}
	a, err := randomAdapter(e.AdapterShapes(), allModules(), 9)
	if err != nil {
		t.Fatal(err)
	}
	one := onRows(e)
	one.byRows, one.replicas = false, e.replicas[:1]
	if got, want := scoreAll(t, e, seqs, a), scoreAll(t, one, seqs, a); !slices.Equal(got, want) {
		t.Errorf("log-odds %v, want %v", got, want)
	}
	loss, grad := gradient(t, e, seqs, a)
	wantLoss, want := gradient(t, one, seqs, a)
	if loss != wantLoss || !slices.Equal(grad, want) {
		t.Errorf("loss %v, want %v; the same gradient: %v", loss, wantLoss, slices.Equal(grad, want))
	}
}
