// Layer 1 stands in the middle of layer 0, so neither can be one call; layers 2 and 3 can.
// RUN: opt -p outline-layers

builtin.module {
  func.func @main(%x: !flow.tensor<[B, S, 64], f32> {weave.role = "input"}) -> !flow.tensor<[B, S, 64], f32> {
    %v = flow.pointwise<"exp"> %x : (!flow.tensor<[B, S, 64], f32>) -> !flow.tensor<[B, S, 64], f32> loc("layers.0.a")
    %v_1 = flow.pointwise<"exp"> %v : (!flow.tensor<[B, S, 64], f32>) -> !flow.tensor<[B, S, 64], f32> loc("layers.1.a")
    %v_2 = flow.pointwise<"tanh"> %v_1 : (!flow.tensor<[B, S, 64], f32>) -> !flow.tensor<[B, S, 64], f32> loc("layers.0.b")
    %v_3 = flow.pointwise<"neg"> %v_2 : (!flow.tensor<[B, S, 64], f32>) -> !flow.tensor<[B, S, 64], f32> loc("layers.2.a")
    %v_4 = flow.pointwise<"neg"> %v_3 : (!flow.tensor<[B, S, 64], f32>) -> !flow.tensor<[B, S, 64], f32> loc("layers.3.a")
    func.return %v_4 : !flow.tensor<[B, S, 64], f32>
  }
}

// CHECK: func.func @main({{.*}} {
// CHECK-NEXT:   %v = flow.pointwise<"exp"> %x : {{.*}} -> !flow.tensor<[B, S, 64], f32>
// CHECK-NEXT:   %v_1 = flow.pointwise<"exp"> %v : {{.*}} -> !flow.tensor<[B, S, 64], f32>
// CHECK-NEXT:   %v_2 = flow.pointwise<"tanh"> %v_1 : {{.*}} -> !flow.tensor<[B, S, 64], f32>
// CHECK-NEXT:   %v_3 = func.call @layer_0(%v_2) : {{.*}} -> !flow.tensor<[B, S, 64], f32>
// CHECK-NEXT:   %v_4 = func.call @layer_0(%v_3) : {{.*}} -> !flow.tensor<[B, S, 64], f32>
// CHECK-NEXT:   func.return %v_4 :
// CHECK-NEXT: }
// CHECK: func.func private @layer_0(%0: !flow.tensor<[B, S, 64], f32>) -> !flow.tensor<[B, S, 64], f32> {
// CHECK-NEXT:   %v = flow.pointwise<"neg"> %0 : {{.*}} -> !flow.tensor<[B, S, 64], f32>
// CHECK-NEXT:   func.return %v :
// CHECK-NEXT: }

// LEDGER: refused outline-layers at layers.0: a value leaves the layer and comes back into it; would change it: a module around all of the layer
// LEDGER: refused outline-layers at layers.1: a value leaves the layer and comes back into it; would change it: a module around all of the layer
// LEDGER: taken outline-layers at layers: @layer_0: 2 layers of 1 ops
