package train

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"

	"lsat/internal/atomicfile"
)

// ErrCheckpoint says that a checkpoint cannot be used.
var ErrCheckpoint = errors.New("unusable checkpoint")

// state is all that a job needs to go on exactly where it was.
type state struct {
	step, looks        int
	bestStep, bestLook int
	initAUC, bestAUC   float64
	seconds            float64
	stopped            bool
	// pendingLook says that step's own look at the validation part was interrupted.
	pendingLook  bool
	params, m, v []float32
	best         []float32 // nil until the first look
	losses       []float64
}

func newState(params []float32) state {
	return state{params: params, m: make([]float32, len(params)), v: make([]float32, len(params))}
}

func (s *state) keep(auc float64) {
	s.best = append(s.best[:0], s.params...)
	s.bestAUC, s.bestStep, s.bestLook = auc, s.step, s.looks
}

const checkpointMagic = "lsat checkpoint 1\n"

// writeState stores a state, whole or not at all, with a SHA-256 at its end.
func writeState(path, key string, s state) error {
	var b bytes.Buffer
	b.WriteString(checkpointMagic)
	b.WriteString(key)
	flags := uint64(0)
	if s.stopped {
		flags |= 1
	}
	if s.pendingLook {
		flags |= 2
	}
	if s.best != nil {
		flags |= 4
	}
	head := []uint64{uint64(s.step), uint64(s.looks), uint64(s.bestStep), uint64(s.bestLook), flags,
		math.Float64bits(s.initAUC), math.Float64bits(s.bestAUC), math.Float64bits(s.seconds), uint64(len(s.params)), uint64(len(s.losses))}
	for _, v := range []any{head, s.params, s.m, s.v, s.best, s.losses} {
		if err := binary.Write(&b, binary.LittleEndian, v); err != nil {
			return fmt.Errorf("train: checkpoint: %w", err)
		}
	}
	sum := sha256.Sum256(b.Bytes())
	err := atomicfile.Write(path, 0o644, func(w io.Writer) error {
		_, err := w.Write(append(b.Bytes(), sum[:]...))
		return err
	})
	if err != nil {
		return fmt.Errorf("train: checkpoint: %w", err)
	}
	return nil
}

// readState reads a checkpoint of the job with this key and this many parameters. Its error wraps os.ErrNotExist where there is
// none, and ErrCheckpoint where it is damaged or of another job.
func readState(path, key string, parameters int) (state, error) {
	var s state
	data, err := os.ReadFile(path)
	if err != nil {
		return s, fmt.Errorf("train: checkpoint: %w", err)
	}
	bad := func(why string) (state, error) {
		return state{}, fmt.Errorf("train: %s: %s: %w (remove it to start the job again)", path, why, ErrCheckpoint)
	}
	n := len(data) - sha256.Size
	if n < len(checkpointMagic)+len(key) || sha256.Sum256(data[:n]) != [32]byte(data[n:]) {
		return bad("damaged")
	}
	if string(data[:len(checkpointMagic)]) != checkpointMagic {
		return bad("of another version")
	}
	r := bytes.NewReader(data[len(checkpointMagic):n])
	who := make([]byte, len(key))
	head := make([]uint64, 10)
	_, err = io.ReadFull(r, who)
	if err := errors.Join(err, binary.Read(r, binary.LittleEndian, head)); err != nil {
		return bad("too short")
	}
	if string(who) != key || head[8] != uint64(parameters) {
		return bad("of another job")
	}
	s = newState(make([]float32, parameters))
	s.step, s.looks, s.bestStep, s.bestLook = int(head[0]), int(head[1]), int(head[2]), int(head[3])
	s.stopped, s.pendingLook = head[4]&1 != 0, head[4]&2 != 0
	s.initAUC, s.bestAUC, s.seconds = math.Float64frombits(head[5]), math.Float64frombits(head[6]), math.Float64frombits(head[7])
	if head[4]&4 != 0 {
		s.best = make([]float32, parameters)
	}
	if head[9] > uint64(n) {
		return bad("impossible")
	}
	s.losses = make([]float64, head[9])
	for _, v := range []any{s.params, s.m, s.v, s.best, s.losses} {
		if err := binary.Read(r, binary.LittleEndian, v); err != nil {
			return bad("too short")
		}
	}
	if r.Len() != 0 {
		return bad("too long")
	}
	return s, nil
}
