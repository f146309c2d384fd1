// A running sum of an argument is no number that is known at compile time; of zeros it would be zero.
// RUN: opt -p fold-indices

builtin.module {
  func.func @main(%mask: !flow.tensor<[B, S], i64> {weave.role = "input"}) -> !flow.tensor<[B, S], i64> {
    %sum = flow.aten "aten.cumsum.default" %mask {arguments = "{\22args\22: [{\22tensor\22: 0}, -1], \22kwargs\22: {}}", reason = "no rule"} : (!flow.tensor<[B, S], i64>) -> !flow.tensor<[B, S], i64> loc("model")
    func.return %sum : !flow.tensor<[B, S], i64>
  }
}

// CHECK: func.func @main({{.*}} {
// CHECK-NEXT:   %sum = flow.aten "aten.cumsum.default" %mask {arguments = "{\22args\22: [{\22tensor\22: 0}, -1], \22kwargs\22: {}}", reason = "no rule"} : {{.*}} -> !flow.tensor<[B, S], i64>
// CHECK-NEXT:   func.return %sum :
// CHECK-NEXT: }

// LEDGER: refused fold-indices at model: a sum of other numbers than zeros
