package period

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"
)

// HashRange is HashSamples of the samples of a range.
func (s *Stream) HashRange(r Range) string {
	return s.HashRanges([]Range{r})
}

// HashSamples is the SHA-256, in hex, of all that a model could see of the samples, in their order: each one's user, time, target item with its
// texts, label, and the same of each event of its history. It goes by content and not by position, so the same data
// cut from a longer stream has the same hash. Like History, it is for samples that exist.
func (s *Stream) HashSamples(samples []int32) string {
	list := make([]int, len(samples))
	for k, i := range samples {
		list[k] = int(i)
	}
	return s.HashRanges(RangesOf(list))
}

// eventBytes is what one event adds to a hash: its item's digest, time, rating and whether that is liked.
const eventBytes = 16 + 8 + 4 + 1

// HashRanges is HashSamples of the samples of a list of ranges.
func (s *Stream) HashRanges(list []Range) string {
	s.digestOnce.Do(s.digestAll)
	h := sha256.New()
	buf := make([]byte, 0, 1<<16)
	buf = append(buf, "lsat samples 1"...)
	buf = binary.LittleEndian.AppendUint64(buf, uint64(CountSamples(list)))
	put := func(i int) {
		history := s.History(i)
		if need := 16 + 8 + (1+len(history))*eventBytes; len(buf)+need > cap(buf) {
			_, _ = h.Write(buf) // a hash never fails
			buf = buf[:0]
		}
		d := s.userDigests[s.User(i)]
		buf = append(buf, d[:]...)
		buf = s.appendEvent(buf, s.Samples[i].Event, s.Samples[i].Label)
		buf = binary.LittleEndian.AppendUint64(buf, uint64(len(history)))
		for _, e := range history {
			buf = s.appendEvent(buf, e, s.Liked(e))
		}
	}
	for _, r := range list {
		for i := r.Lo; i < r.Hi; i++ {
			put(i)
		}
	}
	_, _ = h.Write(buf)
	return hex.EncodeToString(h.Sum(nil))
}

func (s *Stream) appendEvent(buf []byte, event int32, liked bool) []byte {
	e := &s.Set.Interactions[event]
	d := s.digests[e.Item]
	buf = append(buf, d[:]...)
	buf = binary.LittleEndian.AppendUint64(buf, uint64(e.Time))
	buf = binary.LittleEndian.AppendUint32(buf, math.Float32bits(e.Rating))
	if liked {
		return append(buf, 1)
	}
	return append(buf, 0)
}

// digestAll digests users and items once, since each stands in many histories.
func (s *Stream) digestAll() {
	short := func(parts ...string) [16]byte {
		var buf []byte
		for _, p := range parts {
			buf = binary.LittleEndian.AppendUint64(buf, uint64(len(p)))
			buf = append(buf, p...)
		}
		sum := sha256.Sum256(buf)
		return [16]byte(sum[:16])
	}
	s.userDigests = make([][16]byte, len(s.Set.Users))
	for u, id := range s.Set.Users {
		s.userDigests[u] = short(id)
	}
	s.digests = make([][16]byte, len(s.Set.Items))
	for i := range s.Set.Items {
		it := &s.Set.Items[i]
		s.digests[i] = short(append([]string{it.ID, it.Title}, it.Categories...)...)
	}
}
